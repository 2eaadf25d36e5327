package ingesttest

import (
	"context"
	"errors"
	"sync"

	"github.com/crm-bridge/crm-bridge/ingest"
)

// Memory is an ingest.Store that outlives whatever uses it, as the real one does. The zero value is empty.
type Memory struct {
	mu     sync.Mutex
	values map[string]memo
	fails  int
}

type memo struct {
	value    []byte
	revision uint64
}

// ErrStore is what a Memory returns that was told to fail.
var ErrStore = errors.New("the store is away")

// State returns two empty stores.
func State() ingest.State { return ingest.State{Shared: &Memory{}, Secret: &Memory{}} }

// Fail makes the next n calls fail with ErrStore.
func (m *Memory) Fail(n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fails = n
}

// Load implements ingest.Store.
func (m *Memory) Load(ctx context.Context, key string) ([]byte, uint64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.failure(ctx); err != nil {
		return nil, 0, err
	}
	kept := m.values[key]
	return append([]byte(nil), kept.value...), kept.revision, nil
}

// Save implements ingest.Store.
func (m *Memory) Save(ctx context.Context, key string, value []byte, revision uint64) (uint64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := m.failure(ctx); err != nil {
		return 0, err
	}
	if m.values[key].revision != revision {
		return 0, ingest.ErrConflict
	}
	if m.values == nil {
		m.values = map[string]memo{}
	}
	m.values[key] = memo{append([]byte(nil), value...), revision + 1}
	return revision + 1, nil
}

// Dump returns every value that is kept.
func (m *Memory) Dump() string {
	m.mu.Lock()
	defer m.mu.Unlock()
	var text string
	for key, kept := range m.values {
		text += key + " " + string(kept.value) + "\n"
	}
	return text
}

func (m *Memory) failure(ctx context.Context) error {
	if m.fails > 0 {
		m.fails--
		return ErrStore
	}
	return ctx.Err()
}
