package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/publish"
	"github.com/crm-bridge/crm-bridge/transform"
)

// accepting is the one way from a change to an event that is safe, of callbacks, repairs and backfills.
type accepting struct {
	mapping   *transform.Mapping
	publisher publisher
}

// publisher makes events safe.
type publisher interface {
	Publish(ctx context.Context, events ...publish.Event) ([]publish.Ack, error)
}

// accept is an ingest.Accept: it is all that stands between ingest, transform and publish.
func (a accepting) accept(ctx context.Context, changes []ingest.Change) ([]ingest.Ack, error) {
	events, err := a.events(changes...)
	if err != nil {
		return nil, err
	}
	published, err := a.publisher.Publish(ctx, events...)
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

// events returns what accept publishes.
func (a accepting) events(changes ...ingest.Change) (events []publish.Event, err error) {
	for _, change := range changes {
		made, err := a.mapping.Events(change)
		if err != nil {
			return nil, err
		}
		for _, e := range made {
			events = append(events, publish.Event{Event: e, Repeatable: change.Mark != "" || change.GivenID != ""})
		}
	}
	return events, nil
}

// ids returns the ids of the events that accept makes of a change.
func (a accepting) ids(change ingest.Change) (ids []string, err error) {
	events, err := a.events(change)
	for _, e := range events {
		ids = append(ids, e.ID())
	}
	return ids, err
}
