package simulate

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"net"
	"os"
	"strings"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/bridge"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/config"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/terminal"
)

// withFolder runs f with a temporary folder, which is removed in the end, also after signals.
func withFolder(ctx context.Context, f func(ctx context.Context, folder string) error) (err error) {
	folder, err := os.MkdirTemp("", "crm-bridge-demo-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	ctx, release := terminal.UntilSignal(ctx, func() { _ = os.RemoveAll(folder) })
	defer release()
	return f(ctx, folder)
}

// ownPorts are the variables of a bridge in a folder that takes callbacks at an address, and has free ports for the rest.
func ownPorts(folder, callbacks string) map[string]string {
	return map[string]string{
		"BRIDGE_DATA_DIR": folder, "BRIDGE_LISTEN": callbacks, "BRIDGE_ADMIN_LISTEN": "127.0.0.1:0", "BRIDGE_NATS_LISTEN": "127.0.0.1:0",
	}
}

// withBridge runs a bridge for CRMs with nothing in its environment but env, for as long as f runs. f finds none of these variables.
func withBridge(ctx context.Context, env map[string]string, crms []bridge.Opener, log *slog.Logger, f func(context.Context, *bridge.Bridge) error) error {
	b, err := openWith(ctx, env, crms, log)
	if err != nil {
		return err
	}
	defer b.Close()
	ctx, cancel := context.WithCancel(ctx)
	stopped := make(chan error, 1)
	go func() { stopped <- b.Run(ctx) }()
	err = f(ctx, b)
	cancel()
	return errors.Join(err, <-stopped)
}

// openWith opens a bridge with nothing in its environment but env.
func openWith(ctx context.Context, env map[string]string, crms []bridge.Opener, log *slog.Logger) (b *bridge.Bridge, err error) {
	for _, entry := range os.Environ() {
		if name, _, _ := strings.Cut(entry, "="); strings.HasPrefix(name, config.Prefix+"_") {
			if err := os.Unsetenv(name); err != nil {
				return nil, err
			}
		}
	}
	defer func() {
		for name := range env {
			err = errors.Join(err, os.Unsetenv(name))
		}
	}()
	if err := setAll(env); err != nil {
		return nil, err
	}
	settings, err := config.Load(&config.Environment{})
	if err != nil {
		return nil, err
	}
	return bridge.Open(ctx, settings, crms, log)
}

// setAll sets variables of the environment.
func setAll(env map[string]string) (err error) {
	for name, value := range maps.All(env) {
		err = errors.Join(err, os.Setenv(name, value))
	}
	return err
}

// freeAddress returns an address that nothing listens on now: the preferred one, or else one with another port.
func freeAddress(ctx context.Context, preferred string) (string, error) {
	listener, err := listenAt(ctx, preferred)
	if err != nil {
		return "", err
	}
	return listener.Addr().String(), listener.Close()
}

// listenAt listens at an address, or with another port if that one is taken.
func listenAt(ctx context.Context, preferred string) (net.Listener, error) {
	var config net.ListenConfig
	if listener, err := config.Listen(ctx, "tcp", preferred); err == nil {
		return listener, nil
	}
	return config.Listen(ctx, "tcp", "127.0.0.1:0")
}
