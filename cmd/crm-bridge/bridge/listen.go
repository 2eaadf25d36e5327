package bridge

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest/receive"
)

// listener accepts a bounded number of connections.
type listener struct {
	net.Listener
	bound *receive.Connections
}

// listen opens a listener with a bound on its connections, over TLS where a certificate is given.
func listen(ctx context.Context, variable, address, cert, key string, bound *receive.Connections, log *slog.Logger) (*listener, error) {
	tcp, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("%s: cannot listen on %s: %w; stop what listens there, or set %s to a free address", variable, address, errors.Unwrap(err), variable)
	}
	l := &listener{Listener: bound.Limit(tcp), bound: bound}
	if bound.TLS = cert != ""; !bound.TLS {
		return l, nil
	}
	config, err := TLSConfig(cert, key, log)
	if err != nil {
		_ = tcp.Close()
		return nil, fmt.Errorf("%s_CERT: %w", variable, err)
	}
	l.Listener = tls.NewListener(l.Listener, config)
	return l, nil
}

// server returns a server for the listener's connections.
func (l *listener) server(handler http.Handler, timeout time.Duration, log *slog.Logger) *http.Server {
	server := receive.NewServer(handler, timeout, log)
	server.ConnState = l.bound.Track
	return server
}

// Reachable returns the address of a listener in the form that a client on this machine uses.
func Reachable(listener net.Listener) string {
	host, port, err := net.SplitHostPort(listener.Addr().String())
	if err != nil {
		return listener.Addr().String()
	}
	if ip := net.ParseIP(host); ip == nil || ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return net.JoinHostPort(host, port)
}
