package store

import "sync"

// overwrote are the messages that were overwritten since the start, by stream. The server may have a file in memory and write it again,
// with them in it, when another message of it is erased: so they are looked for again each time.
type overwrote struct {
	mu sync.Mutex
	of map[string]map[uint64]bool
}

func (o *overwrote) has(stream string, sequence uint64) bool {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.of[stream][sequence]
}

func (o *overwrote) add(stream string, sequence uint64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.of == nil {
		o.of = map[string]map[uint64]bool{}
	}
	if o.of[stream] == nil {
		o.of[stream] = map[uint64]bool{}
	}
	o.of[stream][sequence] = true
}
