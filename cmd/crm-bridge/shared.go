package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/config"
	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/publish"
)

// sharedState is the bucket of what replicas share, for a command that has a connection of its own.
func sharedState(s config.Settings, reach func() (*publish.Conn, error)) *publish.State {
	return storeConfig(s).State(reach)
}

// openState returns what replicas share, in a bucket beside the stream. Secrets are encrypted with key; without one they
// are kept in this process alone, and what was in them is asked for anew after a restart.
func openState(state *publish.State, key string, log *slog.Logger) (ingest.State, error) {
	shared := ingest.State{Shared: bucket{state, log}, Secret: &memory{}}
	if key == "" {
		log.Warn("BRIDGE_STATE_KEY is not set: access tokens are not shared with other replicas, and refresh tokens that work only once are lost at the end of this process")
		return shared, nil
	}
	sealed, err := publish.NewSealed(state, key)
	if err != nil {
		return shared, fmt.Errorf("BRIDGE_STATE_KEY: %w", err)
	}
	shared.Secret = bucket{sealed, log}
	return shared, nil
}

// laterState is an ingest.State for those that are opened before it. Nothing is loaded or saved until open is called.
type laterState struct{ shared, secret struct{ ingest.Store } }

// State returns the state that open opens.
func (l *laterState) State() ingest.State { return ingest.State{Shared: &l.shared, Secret: &l.secret} }

func (l *laterState) open(state ingest.State) {
	l.shared.Store, l.secret.Store = state.Shared, state.Secret
}

// bucket is publish's state in ingest's words.
type bucket struct {
	ingest.Store
	log *slog.Logger
}

// Load implements ingest.Store. A secret that was sealed with another key is as good as none: what can be had anew is.
func (b bucket) Load(ctx context.Context, key string) ([]byte, uint64, error) {
	value, revision, err := b.Store.Load(ctx, key)
	if errors.Is(err, publish.ErrSealed) {
		b.log.Warn("a secret in the shared state is lost", "error", err)
		return nil, revision, nil
	}
	return value, revision, err
}

// Save implements ingest.Store.
func (b bucket) Save(ctx context.Context, key string, value []byte, revision uint64) (uint64, error) {
	saved, err := b.Store.Save(ctx, key, value, revision)
	if errors.Is(err, publish.ErrConflict) {
		err = fmt.Errorf("%w: %w", ingest.ErrConflict, err)
	}
	return saved, err
}

// memory is an ingest.Store in this process.
type memory struct {
	mu     sync.Mutex
	values map[string][]byte
	last   uint64
	at     map[string]uint64 // revisions
}

// Load implements ingest.Store.
func (m *memory) Load(_ context.Context, key string) ([]byte, uint64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	return m.values[key], m.at[key], nil
}

// Save implements ingest.Store.
func (m *memory) Save(_ context.Context, key string, value []byte, revision uint64) (uint64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.at[key] != revision {
		return 0, ingest.ErrConflict
	}
	if m.values == nil {
		m.values, m.at = map[string][]byte{}, map[string]uint64{}
	}
	m.last++
	m.values[key], m.at[key] = append([]byte{}, value...), m.last
	return m.last, nil
}
