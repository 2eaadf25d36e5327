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
func SharedState(s config.Settings, reach func() (*publish.Conn, error)) *publish.Bucket {
	return storeConfig(s).State(reach)
}

// OpenState returns what replicas share, in a bucket beside the stream. Secrets are encrypted with key; without one they
// are kept in this process alone, and are requested again after a restart.
func OpenState(state *publish.Bucket, key string, log *slog.Logger) (ingest.State, error) {
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

// DeferredState is an ingest.State for CRMs, which are opened before the state is. Before Open nothing can be loaded or saved.
type DeferredState struct{ shared, secret deferredStore }

// State returns the state that Open opens.
func (d *DeferredState) State() ingest.State {
	return ingest.State{Shared: &d.shared, Secret: &d.secret}
}

// Open sets the state to load from and save to.
func (d *DeferredState) Open(state ingest.State) {
	d.shared.opened, d.secret.opened = state.Shared, state.Secret
}

// deferredStore is a part of a DeferredState.
type deferredStore struct{ opened ingest.Store }

var errNotOpened = errors.New("there is no shared state: no API of a CRM is configured")

// Load implements ingest.Store.
func (d *deferredStore) Load(ctx context.Context, key string) ([]byte, uint64, error) {
	if d.opened == nil {
		return nil, 0, errNotOpened
	}
	return d.opened.Load(ctx, key)
}

// Save implements ingest.Store.
func (d *deferredStore) Save(ctx context.Context, key string, value []byte, revision uint64) (uint64, error) {
	if d.opened == nil {
		return 0, errNotOpened
	}
	return d.opened.Save(ctx, key, value, revision)
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
