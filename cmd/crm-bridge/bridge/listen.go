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

// door is where requests come in.
type door struct {
	net.Listener
	bound *receive.Connections
}

// listen opens a listener with a bound on its connections, over TLS where a certificate is given.
func listen(ctx context.Context, variable, address, cert, key string, bound *receive.Connections, log *slog.Logger) (*door, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("%s: cannot listen on %s: %w; stop what listens there, or set %s to a free address", variable, address, errors.Unwrap(err), variable)
	}
	d := &door{Listener: bound.Limit(listener), bound: bound}
	if bound.TLS = cert != ""; !bound.TLS {
		return d, nil
	}
	config, err := TLSConfig(cert, key, log)
	if err != nil {
		_ = listener.Close()
		return nil, fmt.Errorf("%s_CERT: %w", variable, err)
	}
	d.Listener = tls.NewListener(d.Listener, config)
	return d, nil
}

// answers returns a server for what comes in here.
func (d *door) answers(handler http.Handler, timeout time.Duration, log *slog.Logger) *http.Server {
	server := receive.NewServer(handler, timeout, log)
	server.ConnState = d.bound.Track
	return server
}

// Reachable is the address of a listener as a client on this machine writes it.
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
