package embedded

import (
	"context"
	"fmt"
	"net"
	"strconv"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/crm-bridge/crm-bridge/publish"
)

// listen configures the address and the users of consumers. It returns an error if the address is in use or not protected.
func (c Config) listen(ctx context.Context, opts *server.Options, gatePassword string) error {
	host, port, err := splitHostPort(c.Listen)
	if err == nil {
		err = c.CheckListen()
	}
	if err != nil {
		return err
	}
	if probe, err := (&net.ListenConfig{}).Listen(ctx, "tcp", c.Listen); err != nil {
		return err
	} else if err = probe.Close(); err != nil {
		return err
	}
	account := server.NewAccount(consumers)
	opts.Host, opts.Port = host, port
	opts.TLSConfig, opts.TLS = c.TLS, c.TLS != nil
	opts.Accounts = []*server.Account{account}
	opts.Users = append(opts.Users, c.consumer(account), &server.User{Username: gateUser, Password: gatePassword, Account: account})
	opts.MaxPending = c.roomBeside() + int64(c.MaxPayload) // bytes that wait for a connection
	opts.MaxSubs, opts.MaxConn = readerSubscriptions, c.maxConnections()
	if c.User == "" {
		opts.NoAuthUser = anyone
	}
	return nil
}

// CheckListen returns an error if consumers' address is not protected, or their user is one of the bridge's own.
func (c Config) CheckListen() error {
	host, _, err := splitHostPort(c.Listen)
	switch {
	case err != nil:
		return err
	case c.User == publish.Owner || c.User == gateUser:
		return fmt.Errorf("the user %s is reserved for the bridge: choose another name", c.User)
	case c.User == "" && !isLoopback(host):
		return fmt.Errorf("%s can be reached from other machines: that needs a user and a password", c.Listen)
	}
	return nil
}

// maxConnections is how many connections the server accepts; 0: no limit of ours.
func (c Config) maxConnections() int {
	if c.Listen == "" || c.MaxReaders == 0 {
		return 0
	}
	return c.MaxReaders + ownConnections
}

func splitHostPort(listen string) (string, int, error) {
	host, text, err := net.SplitHostPort(listen)
	if err != nil {
		return "", 0, fmt.Errorf("%q is not an address of the form host:port", listen)
	}
	port, err := strconv.Atoi(text)
	if err != nil || port < 0 || port > 65535 {
		return "", 0, fmt.Errorf("%q has no port from 0 to 65535", listen)
	}
	if host == "" {
		host = "0.0.0.0"
	}
	if port == 0 {
		port = server.RANDOM_PORT
	}
	return host, port, nil
}

func isLoopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}
