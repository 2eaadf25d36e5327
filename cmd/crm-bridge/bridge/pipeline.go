package bridge

import (
	"context"
	"errors"
	"fmt"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/trace"
	"github.com/crm-bridge/crm-bridge/publish"
	"github.com/crm-bridge/crm-bridge/transform"
)

// Pipeline leads changes of callbacks, repairs and backfills to stored events: transform, then publish.
type Pipeline struct {
	Mapping   *transform.Mapping
	Publisher publisher
}

// publisher stores events.
type publisher interface {
	Publish(ctx context.Context, events ...publish.Event) ([]publish.Ack, error)
	Subject(e publish.Event) string
}

// Accept implements ingest.Accept.
func (p Pipeline) Accept(ctx context.Context, changes []ingest.Change) ([]ingest.Ack, error) {
	_, span := trace.Start(ctx, "transform", trace.Internal)
	events, err := p.events(changes...)
	if err != nil {
		span.Fail("malformed")
	}
	span.End()
	if err != nil {
		return nil, err
	}
	published, err := p.Publisher.Publish(ctx, events...)
	if err != nil {
		return nil, fate(err)
	}
	acks := make([]ingest.Ack, len(published))
	for i, ack := range published {
		acks[i] = ingest.Ack{ID: events[i].ID, Subject: ack.Subject, Stream: ack.Stream, Sequence: ack.Sequence, Duplicate: ack.Duplicate}
	}
	return acks, nil
}

// fate wraps an error of the publisher with the fate of its callback.
func fate(err error) error {
	switch {
	case errors.Is(err, publish.ErrPartly): // a repeat adds what is missing; repeatable ids are not stored twice
		return fmt.Errorf("%w: %w: %w", ingest.ErrRetry, ingest.ErrTooLarge, err)
	case errors.Is(err, publish.ErrTooLarge):
		return fmt.Errorf("%w: %w", ingest.ErrTooLarge, err)
	case errors.Is(err, publish.ErrUnanswered):
		return fmt.Errorf("%w: %w", ingest.ErrUnanswered, err)
	}
	return fmt.Errorf("%w: %w", ingest.ErrRetry, err)
}

// events returns what Accept publishes.
func (p Pipeline) events(changes ...ingest.Change) (events []publish.Event, err error) {
	for _, change := range changes {
		made, err := p.Mapping.Events(change)
		if err != nil {
			return nil, err
		}
		for _, e := range made {
			events = append(events, publish.Event{Event: e, Repeatable: change.Mark != "" || change.GivenID != ""})
		}
	}
	return events, nil
}

// IDs returns the ids of the events that Accept makes of a change.
func (p Pipeline) IDs(change ingest.Change) (ids []string, err error) {
	events, err := p.events(change)
	for _, e := range events {
		ids = append(ids, e.ID)
	}
	return ids, err
}
