// Package client connects commands to a running bridge: its settings, secrets and NATS.
package client

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"syscall"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/bridge"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/config"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/datadir"
	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/publish"
)

// Load reads the environment as a running bridge does, for a command that talks to it. It makes nothing: secrets
// that the bridge made are read from its data folder, and are empty where none has run yet. It returns all problems.
func Load(env *config.Environment) (config.Settings, bridge.CRMs, error) {
	s, err := config.Load(env)
	env.Problems.Add(err)
	all, _ := bridge.Opening{Env: env, Setup: ingest.Setup{MadeSecret: FoundSecret(s), PublicURLs: s.PublicURL}}.Open(bridge.Openers)
	env.Problems.Add(env.CheckUnknown())
	return s, all, env.Problems.Err()
}

// FoundSecret returns what finds a secret that the embedded bridge has made; it is empty where none has run yet.
func FoundSecret(s config.Settings) func(name string) (string, error) {
	return func(name string) (string, error) {
		if !s.Embedded() {
			return "", nil
		}
		secret, err := datadir.ReadSecret(s.DataDir, name)
		if errors.Is(err, fs.ErrNotExist) {
			return "", nil
		}
		if errors.Is(err, syscall.ENOTDIR) {
			return "", fmt.Errorf("BRIDGE_DATA_DIR: %s is not a folder", s.DataDir)
		}
		if err != nil {
			return "", fmt.Errorf("BRIDGE_DATA_DIR: %w", err)
		}
		return secret, nil
	}
}

// Connect connects a command to the NATS that holds the stream.
func Connect(s config.Settings) (*publish.Conn, error) {
	return Reach(context.Background(), s)
}

// Reach is Connect that gives up when ctx ends.
func Reach(ctx context.Context, s config.Settings) (*publish.Conn, error) {
	quiet := slog.New(slog.DiscardHandler)
	if !s.Embedded() {
		conn, err := s.NATS.Remote().Reach(ctx, quiet)
		return conn, s.NATS.Explain(err)
	}
	address := publish.Address{URL: "nats://" + config.LocalAddress(s.NATS.Listen), User: s.NATS.ListenUser, Password: s.NATS.ListenPassword}
	if s.NATS.ListenCert != "" {
		var err error
		if address.TLS, err = bridge.Pinned(s.NATS.ListenCert); err != nil {
			return nil, fmt.Errorf("BRIDGE_NATS_LISTEN_CERT: %w", err)
		}
	}
	password, err := datadir.ReadSecret(s.DataDir, datadir.OwnerSecret)
	if err == nil {
		address.Owner, address.Password = true, password
	} else if !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	conn, err := address.Reach(ctx, quiet)
	switch {
	case errors.Is(err, publish.ErrUnauthorized) && address.Owner:
		return nil, fmt.Errorf("the bridge at BRIDGE_NATS_LISTEN has another data folder than BRIDGE_DATA_DIR: %w; name its folder, or set BRIDGE_NATS_URL", err)
	case errors.Is(err, publish.ErrUnauthorized):
		return nil, fmt.Errorf("the bridge at BRIDGE_NATS_LISTEN requires its BRIDGE_NATS_LISTEN_USER and _PASSWORD: %w", err)
	case err != nil:
		return nil, fmt.Errorf("no bridge answers at BRIDGE_NATS_LISTEN: %w; start one with %s, or set BRIDGE_NATS_URL", err, OwnCommand())
	}
	return conn, nil
}
