package keep

import (
	"sync"
	"time"
)

// interval is from the first to the last moment at which something happened.
type interval struct{ first, last time.Time }

// missed are the callbacks that were refused and of which no gap is made yet, by CRM.Key and account; the account is empty where any may
// have sent them.
type missed struct {
	mu sync.Mutex
	of map[string]map[string]interval
}

// maxMissed limits the accounts of a CRM that are remembered apart.
const maxMissed = 256

// add adds refused callbacks of an account of a CRM.
func (m *missed) add(key, account string, more interval) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.of == nil {
		m.of = map[string]map[string]interval{}
	}
	of := m.of[key]
	if of == nil {
		of = map[string]interval{}
		m.of[key] = of
	}
	have, known := of[account]
	if !known && len(of) >= maxMissed {
		account = ""
		have, known = of[account]
	}
	if known && have.first.Before(more.first) {
		more.first = have.first
	}
	if known && have.last.After(more.last) {
		more.last = have.last
	}
	of[account] = more
}

// take returns the refused callbacks of a CRM, by account, and forgets them.
func (m *missed) take(key string) map[string]interval {
	m.mu.Lock()
	defer m.mu.Unlock()
	taken := m.of[key]
	delete(m.of, key)
	return taken
}
