package bridge

import (
	"context"
	"errors"
	"fmt"

	"github.com/cloudevents/sdk-go/v2/event"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/publish"
	"github.com/crm-bridge/crm-bridge/transform"
)

// Accepting is the one way from a change to an event that is safe, of callbacks, repairs and backfills.
type Accepting struct {
	Mapping   *transform.Mapping
	Publisher publisher
}

// publisher makes events safe.
type publisher interface {
	Publish(ctx context.Context, events ...publish.Event) ([]publish.Ack, error)
	Subject(e event.Event) string
}

// Accept is an ingest.Accept: it is all that stands between ingest, transform and publish.
func (a Accepting) Accept(ctx context.Context, changes []ingest.Change) ([]ingest.Ack, error) {
	events, err := a.events(changes...)
	if err != nil {
		return nil, err
	}
	published, err := a.Publisher.Publish(ctx, events...)
	if err != nil {
		return nil, fate(err)
	}
	acks := make([]ingest.Ack, len(published))
	for i, ack := range published {
		acks[i] = ingest.Ack{ID: events[i].ID(), Subject: ack.Subject, Stream: ack.Stream, Sequence: ack.Sequence, Duplicate: ack.Duplicate}
	}
	return acks, nil
}

// fate returns an error of the publisher with what becomes of a callback for it.
func fate(err error) error {
	switch {
	case errors.Is(err, publish.ErrPartly): // sent again, what is missing is added; of what is stored none comes twice where ids are repeatable
		return fmt.Errorf("%w: %w: %w", ingest.ErrRetry, ingest.ErrTooLarge, err)
	case errors.Is(err, publish.ErrTooLarge):
		return fmt.Errorf("%w: %w", ingest.ErrTooLarge, err)
	case errors.Is(err, publish.ErrUnanswered):
		return fmt.Errorf("%w: %w", ingest.ErrUnanswered, err)
	}
	return fmt.Errorf("%w: %w", ingest.ErrRetry, err)
}

// events returns what Accept publishes.
func (a Accepting) events(changes ...ingest.Change) (events []publish.Event, err error) {
	for _, change := range changes {
		made, err := a.Mapping.Events(change)
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
func (a Accepting) IDs(change ingest.Change) (ids []string, err error) {
	events, err := a.events(change)
	for _, e := range events {
		ids = append(ids, e.ID())
	}
	return ids, err
}
