package receive

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/crm-bridge/crm-bridge/ingest"
)

// work bounds the memory of callbacks that are verified, decoded and published, beyond that of their bodies. Those that
// are authenticated before their body was read go first.
type work struct {
	maxBytes int64

	mu      sync.Mutex
	bytes   int64
	waiting []*waiter // those that go first in front, else in the order in which they came
}

type waiter struct {
	bytes         int64
	authenticated bool
	begin         chan struct{} // closed when its turn has come
}

// begin returns when the bytes are free, or with an error that wraps ErrRetry when ctx has ended. Alone a callback may take
// any number of bytes. Call done afterwards.
func (w *work) begin(ctx context.Context, bytes int64, authenticated bool) (done func(), err error) {
	one := &waiter{bytes: bytes, authenticated: authenticated, begin: make(chan struct{})}
	w.mu.Lock()
	at := len(w.waiting)
	if authenticated {
		if first := slices.IndexFunc(w.waiting, func(other *waiter) bool { return !other.authenticated }); first >= 0 {
			at = first
		}
	}
	w.waiting = slices.Insert(w.waiting, at, one)
	w.next()
	w.mu.Unlock()
	select {
	case <-one.begin:
		return func() { w.end(bytes) }, nil
	case <-ctx.Done():
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if i := slices.Index(w.waiting, one); i >= 0 {
		w.waiting = slices.Delete(w.waiting, i, i+1)
		w.next()
		return nil, fmt.Errorf("%w: callbacks under way hold all that BRIDGE_MAX_IN_FLIGHT_BYTES allows", ingest.ErrRetry)
	}
	return func() { w.end(bytes) }, nil // its turn has come just now
}

// add takes bytes that are held already.
func (w *work) add(bytes int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.bytes += bytes
}

func (w *work) end(bytes int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.bytes -= bytes
	w.next()
}

// next lets begin whoever fits.
func (w *work) next() {
	for len(w.waiting) > 0 && (w.bytes == 0 || w.bytes+w.waiting[0].bytes <= w.maxBytes) {
		w.bytes += w.waiting[0].bytes
		close(w.waiting[0].begin)
		w.waiting = slices.Delete(w.waiting, 0, 1)
	}
}
