package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"

	"github.com/crm-bridge/crm-bridge/ingest/receive"
)

// listen opens a listener with a bound on its connections, over TLS where a certificate is given.
func listen(ctx context.Context, variable, address, cert, key string, bound *receive.Connections, log *slog.Logger) (net.Listener, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("%s: cannot listen on %s: %w; stop what listens there, or set %s to a free address", variable, address, errors.Unwrap(err), variable)
	}
	listener = bound.Limit(listener)
	if bound.TLS = cert != ""; !bound.TLS {
		return listener, nil
	}
	config, err := tlsConfig(cert, key, log)
	if err != nil {
		_ = listener.Close()
		return nil, fmt.Errorf("%s_CERT: %w", variable, err)
	}
	return tls.NewListener(listener, config), nil
}
