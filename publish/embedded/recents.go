package embedded

import "sync"

// recents remembers values of readers' things by their names. It forgets all of them rather than hold more than maxRemembered.
type recents[value any] struct {
	mu     sync.Mutex
	values map[string]value
}

const maxRemembered = 4096

// get returns a value; zero if there is none.
func (b *recents[value]) get(name string) value {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.values[name]
}

func (b *recents[value]) set(name string, to value) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.values) >= maxRemembered || b.values == nil {
		b.values = map[string]value{}
	}
	b.values[name] = to
}

func (b *recents[value]) forget(name string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	delete(b.values, name)
}
