package ingest

import (
	"bytes"
	"context"
	"sync"
)

// Memory is a Store in this process. The zero value is empty and ready to use.
type Memory struct {
	mu     sync.Mutex
	values map[string]remembered
}

type remembered struct {
	value    []byte
	revision uint64
}

// Load implements Store.
func (m *Memory) Load(ctx context.Context, key string) ([]byte, uint64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	kept := m.values[key]
	return bytes.Clone(kept.value), kept.revision, ctx.Err()
}

// Save implements Store.
func (m *Memory) Save(ctx context.Context, key string, value []byte, revision uint64) (uint64, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if err := ctx.Err(); err != nil {
		return 0, err
	}
	if m.values[key].revision != revision {
		return 0, ErrConflict
	}
	if m.values == nil {
		m.values = map[string]remembered{}
	}
	m.values[key] = remembered{append([]byte{}, value...), revision + 1}
	return revision + 1, nil
}

// All returns every value by its key.
func (m *Memory) All() map[string]string {
	m.mu.Lock()
	defer m.mu.Unlock()
	all := make(map[string]string, len(m.values))
	for key, kept := range m.values {
		all[key] = string(kept.value)
	}
	return all
}
