package ingesttest

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/crm-bridge/crm-bridge/ingest"
)

// Memory is an ingest.Memory that fails on demand.
type Memory struct {
	ingest.Memory

	mu    sync.Mutex
	fails int
}

// ErrStore is what a Memory returns that was told to fail.
var ErrStore = errors.New("the store is unreachable")

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
	if m.failing() {
		return nil, 0, ErrStore
	}
	return m.Memory.Load(ctx, key)
}

// Save implements ingest.Store.
func (m *Memory) Save(ctx context.Context, key string, value []byte, revision uint64) (uint64, error) {
	if m.failing() {
		return 0, ErrStore
	}
	return m.Memory.Save(ctx, key, value, revision)
}

func (m *Memory) failing() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fails--
	return m.fails >= 0
}

// Dump returns every key and value, in order.
func (m *Memory) Dump() string { return fmt.Sprint(m.All()) }
