package bridge

import (
	"context"
	"errors"
	"fmt"
	"log/slog"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/config"
	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/publish"
)

// SharedState is the bucket of what replicas share, for a command that has a connection of its own.
func SharedState(s config.Settings, reach func() (*publish.Conn, error)) *publish.State {
	return storeConfig(s).State(reach)
}

// OpenState returns what replicas share, in a bucket beside the stream. Secrets are encrypted with key; without one they
// are kept in this process alone, and are requested again after a restart.
func OpenState(state *publish.State, key string, log *slog.Logger) (ingest.State, error) {
	shared := ingest.State{Shared: bucket{state, log}, Secret: &ingest.Memory{}}
	if key == "" {
		log.Warn("BRIDGE_STATE_KEY is not set: access tokens are not shared with other replicas, and one-time refresh tokens are lost when this process ends")
		return shared, nil
	}
	sealed, err := publish.NewSealed(state, key)
	if err != nil {
		return shared, fmt.Errorf("BRIDGE_STATE_KEY: %w", err)
	}
	shared.Secret = bucket{sealed, log}
	return shared, nil
}

// LaterState is an ingest.State for those that are opened before it. Until Open is called nothing can be loaded or saved.
type LaterState struct{ shared, secret laterStore }

// State returns the state that Open opens.
func (l *LaterState) State() ingest.State { return ingest.State{Shared: &l.shared, Secret: &l.secret} }

// Open gives it the state that it loads from and saves to.
func (l *LaterState) Open(state ingest.State) {
	l.shared.opened, l.secret.opened = state.Shared, state.Secret
}

// laterStore is a part of a LaterState.
type laterStore struct{ opened ingest.Store }

var errNotOpened = errors.New("there is no shared state: no API of a CRM is configured")

// Load implements ingest.Store.
func (l *laterStore) Load(ctx context.Context, key string) ([]byte, uint64, error) {
	if l.opened == nil {
		return nil, 0, errNotOpened
	}
	return l.opened.Load(ctx, key)
}

// Save implements ingest.Store.
func (l *laterStore) Save(ctx context.Context, key string, value []byte, revision uint64) (uint64, error) {
	if l.opened == nil {
		return 0, errNotOpened
	}
	return l.opened.Save(ctx, key, value, revision)
}

// bucket is publish's state in ingest's words.
type bucket struct {
	ingest.Store
	log *slog.Logger
}

// Load implements ingest.Store. A secret that was sealed with another key is treated as absent; callers
// fetch it again.
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
