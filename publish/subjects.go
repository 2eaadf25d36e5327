package publish

import (
	"context"
	"fmt"
	"maps"
	"slices"

	"github.com/nats-io/nats.go/jetstream"
)

// Subjects returns the subjects with messages of a stream that match a filter such as crm.>, sorted. It returns an error if the stream
// has messages on more than most subjects in all: each costs memory here and at the server.
func (c *Conn) Subjects(ctx context.Context, stream, filter string, most uint64) ([]string, error) {
	have, err := c.stream(ctx, stream)
	if err != nil {
		return nil, err
	}
	if held := have.CachedInfo().State.NumSubjects; held > most {
		return nil, fmt.Errorf("stream %s holds %d subjects, more than %d", stream, held, most)
	}
	info, err := have.Info(ctx, jetstream.WithSubjectFilter(filter))
	if err != nil {
		return nil, fmt.Errorf("subjects of stream %s: %w", stream, err)
	}
	return slices.Sorted(maps.Keys(info.State.Subjects)), nil
}
