package publish

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/url"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/nats-io/nats.go"
)

// Address says where a NATS server is and how to authenticate; empty fields are not used.
type Address struct {
	URL            string
	Creds, Nkey    string // files
	User, Password string
	CA, Cert, Key  string      // PEM files
	TLS            *tls.Config // instead of CA, if set
	TLSFirst       bool        // the server says nothing before the TLS handshake
	Owner          bool        // User is an embedded server's own user
}

// Reach is Dial that ends with ctx.
func (a Address) Reach(ctx context.Context, log *slog.Logger) (*Conn, error) {
	return a.dialWithin(ctx, ConnOptions(log))
}

// Dial connects. The connection then reconnects by itself, without limit.
func (a Address) Dial(log *slog.Logger) (*Conn, error) { return a.dial(ConnOptions(log)) }

// Await connects, or returns a connection that comes up as soon as a server is reachable. It returns an error at once if the server
// rejects the credentials or the configuration is unusable.
func (a Address) Await(log *slog.Logger) (*Conn, error) {
	conn, err := a.dial(append(ConnOptions(log), nats.RetryOnFailedConnect(true)))
	if err != nil {
		return nil, err
	}
	for deadline := time.Now().Add(time.Second); conn.nats.Status() == nats.RECONNECTING && time.Now().Before(deadline); time.Sleep(time.Millisecond) {
		if first := conn.down.Load(); first == nil {
			continue
		} else if errors.Is(*first, ErrUnauthorized) {
			conn.Close()
			return nil, fmt.Errorf("connect to %s: %w", HideUser(a.URL), *first)
		}
		break
	}
	return conn, nil
}

// ErrUnauthorized says that a NATS server rejects the user, the password or the key.
var ErrUnauthorized = nats.ErrAuthorization

func (a Address) dial(options []nats.Option) (*Conn, error) {
	if err := a.CheckFiles(); err != nil {
		return nil, err
	}
	options = append(options, nats.Timeout(5*time.Second))
	if a.Creds != "" {
		options = append(options, nats.UserCredentials(a.Creds))
	}
	if a.Nkey != "" {
		nkey, err := nats.NkeyOptionFromSeed(a.Nkey)
		if err != nil {
			return nil, wrongFile("BRIDGE_NATS_NKEY")
		}
		options = append(options, nkey)
	}
	switch {
	case a.Owner:
		options = append(options, AsOwner(a.Password))
	case a.User != "" || a.Password != "":
		options = append(options, nats.UserInfo(a.User, a.Password))
	}
	if a.TLS != nil {
		options = append(options, nats.Secure(a.TLS))
	}
	if a.CA != "" {
		options = append(options, nats.RootCAs(a.CA))
	}
	if a.TLSFirst {
		options = append(options, nats.TLSHandshakeFirst())
	}
	if a.Cert != "" {
		options = append(options, nats.ClientCert(a.Cert, a.Key))
	}
	conn, err := Open(a.URL, options)
	if err != nil {
		if hint := a.hintTLS(err); hint != nil {
			err = hint
		} else if errors.Is(err, nats.ErrNoServers) {
			err = fmt.Errorf("no server is reachable%w", silent{err})
		}
		return nil, fmt.Errorf("connect to %s: %w", HideUser(a.URL), hideUser(err, a.URL))
	}
	conn.hint = a.hintTLS
	return conn, nil
}

// hintTLS returns err with the variable to set if one side waits for a TLS handshake and the other for NATS' first line; else nil.
func (a Address) hintTLS(err error) error {
	saysNothing := errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, os.ErrDeadlineExceeded)
	switch {
	case a.TLSFirst && errors.As(err, new(tls.RecordHeaderError)):
		return fmt.Errorf("BRIDGE_NATS_TLS_FIRST is set, but the server does not begin with TLS (handshake_first): unset it%w", silent{err})
	case !a.TLSFirst && saysNothing && a.TLS == nil && !a.Owner:
		return fmt.Errorf("the server accepted the connection and said nothing; if it expects TLS first (handshake_first), set BRIDGE_NATS_TLS_FIRST=true%w", silent{err})
	}
	return nil
}

// dialWithin is dial that ends with ctx: NATS waits its timeout for each silent server.
func (a Address) dialWithin(ctx context.Context, options []nats.Option) (*Conn, error) {
	type dialled struct {
		conn *Conn
		err  error
	}
	done := make(chan dialled, 1)
	go func() {
		conn, err := a.dial(options)
		done <- dialled{conn, err}
	}()
	select {
	case d := <-done:
		return d.conn, d.err
	case <-ctx.Done():
		go func() { // ends when the last server has had its time
			if d := <-done; d.conn != nil {
				d.conn.Close()
			}
		}()
		return nil, fmt.Errorf("connect to %s: %w", HideUser(a.URL), context.Cause(ctx))
	}
}

// with returns the address with further servers of the same cluster, as NATS reports them.
func (a Address) with(servers []string) Address {
	first, _, _ := strings.Cut(a.URL, ",")
	given, err := url.Parse(first)
	for _, server := range servers {
		if u, failed := url.Parse(server); failed == nil && err == nil && !strings.Contains(a.URL, u.Host) {
			u.User = given.User
			a.URL += "," + u.String()
		}
	}
	return a
}
