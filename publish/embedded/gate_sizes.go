package embedded

import (
	"context"
	"time"
)

const (
	// smallStream is how many bytes a stream may hold for a request to get all of it in one go: together with calmBytes they fit into
	// what may wait for a connection.
	smallStream = roomBeside / 2
	// sizeFor is how long the size of a small stream is remembered, and largeFor that of a large one, which rarely shrinks.
	sizeFor, largeFor = 100 * time.Millisecond, 5 * time.Second
)

// isSmall reports whether a stream holds at most smallStream bytes; false if that is unknown.
func (g *gate) isSmall(ctx context.Context, stream string) bool {
	size := g.sizes.get(stream)
	if time.Now().Before(size.until) {
		return size.small
	}
	found, err := g.owner.JetStream().Stream(ctx, stream)
	size.small = err == nil && found.CachedInfo().State.Bytes <= smallStream
	if size.until = time.Now().Add(sizeFor); !size.small {
		size.until = time.Now().Add(largeFor)
	}
	g.sizes.set(stream, size)
	return size.small
}
