package main

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
)

// listen opens a listener, over TLS where a certificate is given.
func listen(ctx context.Context, variable, address, cert, key string, log *slog.Logger) (net.Listener, error) {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address)
	if err != nil {
		return nil, fmt.Errorf("%s: cannot listen on %s: %w; stop what listens there, or set %s to a free address", variable, address, errors.Unwrap(err), variable)
	}
	if cert == "" {
		return listener, nil
	}
	config, err := tlsConfig(cert, key, log)
	if err != nil {
		_ = listener.Close()
		return nil, fmt.Errorf("%s_CERT: %w", variable, err)
	}
	return tls.NewListener(listener, config), nil
}
