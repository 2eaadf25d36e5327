package publish

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/nats-io/nats.go/jetstream"
)

// Filled returns the subjects of a stream that match a filter and have messages, sorted; a stream that does not exist has none.
func (c *Conn) Filled(ctx context.Context, stream, filter string) ([]string, error) {
	have, err := c.stream(ctx, stream)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	info, err := have.Info(ctx, jetstream.WithSubjectFilter(filter))
	if err != nil {
		return nil, fmt.Errorf("stream %s: %w", stream, err)
	}
	return slices.Sorted(maps.Keys(info.State.Subjects)), nil
}

// History returns the messages that a stream has of a subject, oldest first.
func (c *Conn) History(ctx context.Context, stream, subject string) (all []Stored, err error) {
	from := pageFrom{Sequence: 1, Subject: subject}
	for more := true; more; {
		page, further, err := c.page(ctx, stream, from, pageMessages)
		if err != nil {
			return nil, fmt.Errorf("read stream %s: %w", stream, err)
		}
		for _, msg := range page {
			kept, err := keptOf(msg)
			if err != nil {
				return nil, err
			}
			all = append(all, Stored{Subject: kept.Subject, Sequence: kept.Sequence, At: kept.At, Header: kept.header, Data: kept.Body})
			from.Sequence = kept.Sequence + 1
		}
		more = further
	}
	return all, nil
}
