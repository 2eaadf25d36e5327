package receive

import (
	"context"
	"fmt"
	"slices"
	"sync"

	"github.com/crm-bridge/crm-bridge/ingest"
)

// lane limits the memory of callbacks that are verified, decoded and published, beside their bodies. Callbacks that were authenticated
// before their body was read go first.
type lane struct {
	maxBytes int64

	mu      sync.Mutex
	bytes   int64
	waiting []*waiter // authenticated ones first, then in the order of arrival
}

type waiter struct {
	bytes         int64
	authenticated bool
	begin         chan struct{} // closed when it may begin
}

// begin reserves bytes, or returns an error that wraps ErrRetry when ctx has ended. A single callback may reserve any number of bytes.
// Call end afterwards.
func (l *lane) begin(ctx context.Context, bytes int64, authenticated bool) error {
	l.mu.Lock()
	if len(l.waiting) == 0 && l.fits(bytes) {
		l.bytes += bytes
		l.mu.Unlock()
		return nil
	}
	one := &waiter{bytes: bytes, authenticated: authenticated, begin: make(chan struct{})}
	at := len(l.waiting)
	if authenticated {
		if first := slices.IndexFunc(l.waiting, func(other *waiter) bool { return !other.authenticated }); first >= 0 {
			at = first
		}
	}
	l.waiting = slices.Insert(l.waiting, at, one)
	l.next()
	l.mu.Unlock()
	select {
	case <-one.begin:
		return nil
	case <-ctx.Done():
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if i := slices.Index(l.waiting, one); i >= 0 {
		l.waiting = slices.Delete(l.waiting, i, i+1)
		l.next()
		return fmt.Errorf("%w: callbacks in flight use all that BRIDGE_MAX_IN_FLIGHT_BYTES allows", ingest.ErrRetry)
	}
	return nil // it could begin just now
}

// fits reports whether bytes can be reserved now.
func (l *lane) fits(bytes int64) bool { return l.bytes == 0 || l.bytes+bytes <= l.maxBytes }

// add counts bytes that are in use already.
func (l *lane) add(bytes int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.bytes += bytes
}

// end releases what begin has reserved.
func (l *lane) end(bytes int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.bytes -= bytes
	l.next()
}

// next begins callbacks while there is room.
func (l *lane) next() {
	for len(l.waiting) > 0 && l.fits(l.waiting[0].bytes) {
		l.bytes += l.waiting[0].bytes
		close(l.waiting[0].begin)
		l.waiting = slices.Delete(l.waiting, 0, 1)
	}
}
