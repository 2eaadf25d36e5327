package keep

import (
	"sync"
	"time"
)

// interval is from the first to the last moment at which something happened.
type interval struct{ first, last time.Time }

// missed are the callbacks that were refused and of which no gap is made yet, by CRM.Key.
type missed struct {
	mu sync.Mutex
	of map[string]interval
}

// add adds refused callbacks of a CRM.
func (m *missed) add(key string, more interval) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.of == nil {
		m.of = map[string]interval{}
	}
	if have, ok := m.of[key]; ok {
		if have.first.Before(more.first) {
			more.first = have.first
		}
		if have.last.After(more.last) {
			more.last = have.last
		}
	}
	m.of[key] = more
}

// take returns the refused callbacks of a CRM, and forgets them.
func (m *missed) take(key string) (taken interval, ok bool) {
	m.mu.Lock()
	defer m.mu.Unlock()
	taken, ok = m.of[key]
	delete(m.of, key)
	return taken, ok
}
