package ingesttest

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/crm-bridge/crm-bridge/ingest"
)

// FailingMemory is an ingest.Memory that fails on demand.
type FailingMemory struct {
	ingest.Memory

	mu    sync.Mutex
	fails int
}

// ErrStore is what a FailingMemory returns while it fails.
var ErrStore = errors.New("the store is unreachable")

// State returns two empty stores.
func State() ingest.State { return ingest.State{Shared: &FailingMemory{}, Secret: &FailingMemory{}} }

// Fail makes the next n calls fail with ErrStore.
func (m *FailingMemory) Fail(n int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fails = n
}

// Load implements ingest.Store.
func (m *FailingMemory) Load(ctx context.Context, key string) ([]byte, uint64, error) {
	if m.failing() {
		return nil, 0, ErrStore
	}
	return m.Memory.Load(ctx, key)
}

// Save implements ingest.Store.
func (m *FailingMemory) Save(ctx context.Context, key string, value []byte, revision uint64) (uint64, error) {
	if m.failing() {
		return 0, ErrStore
	}
	return m.Memory.Save(ctx, key, value, revision)
}

func (m *FailingMemory) failing() bool {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.fails--
	return m.fails >= 0
}

// Dump returns every key and value, in order.
func (m *FailingMemory) Dump() string { return fmt.Sprint(m.All()) }
