package embedded

import (
	"context"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

const (
	// smallStream is how many bytes a stream may hold for a request to get all of it in one go: together with calmBytes they fit into
	// what may wait for a connection.
	smallStream = roomBeside / 2
	// sizeFor is how long the size of a small stream is remembered, and largeFor that of a large one, which rarely shrinks.
	sizeFor, largeFor = 100 * time.Millisecond, 5 * time.Second
)

// sizes remembers which streams are small. A fetch from one gets as many messages as it requests at once, even on a busy machine.
type sizes struct {
	mu sync.Mutex
	of map[string]streamSize
}

type streamSize struct {
	small bool
	until time.Time
}

// isSmall reports whether a stream holds at most smallStream bytes; false if that is unknown.
func (s *sizes) isSmall(ctx context.Context, js jetstream.JetStream, stream string) bool {
	s.mu.Lock()
	known := s.of[stream]
	s.mu.Unlock()
	if time.Now().Before(known.until) {
		return known.small
	}
	found, err := js.Stream(ctx, stream)
	known.small = err == nil && found.CachedInfo().State.Bytes <= smallStream
	if known.until = time.Now().Add(sizeFor); !known.small {
		known.until = time.Now().Add(largeFor)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.of == nil {
		s.of = map[string]streamSize{}
	}
	s.of[stream] = known
	return known.small
}
