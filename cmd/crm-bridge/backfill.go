package main

import (
	"context"
	"fmt"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/publish"
	"github.com/crm-bridge/crm-bridge/transform"
)

// backfill reads what changed in a module from the CRM, and publishes it on the subjects of live events.
type backfill struct {
	provider, module string
	lister           ingest.Lister
	mapping          *transform.Mapping
	publisher        *publish.Publisher
	ledger           *ledger
	dryRun           bool
	report           func(backfilled) // after each page
	leftOut          func(error)
}

// backfilled is what a backfill has done so far, or in all.
type backfilled struct {
	Provider   string    `json:"provider"`
	Module     string    `json:"module"`
	Since      time.Time `json:"since"`
	Until      time.Time `json:"until"`
	Records    int       `json:"records"` // read from the CRM
	Events     int       `json:"events"`  // published; with a dry run those that would be
	Duplicates int       `json:"duplicates,omitempty"`
	LeftOut    int       `json:"leftOut,omitempty"` // records that make no valid event
	DryRun     bool      `json:"dryRun,omitempty"`

	reached time.Time // how far in the span, where the CRM lists by time
	total   int       // records in all; 0: not known
}

// run does what is not done yet of a period, after what an earlier run has left unfinished.
func (b *backfill) run(ctx context.Context, asked period) (done backfilled, err error) {
	done = backfilled{Provider: b.provider, Module: b.module, Since: asked.Since, Until: asked.Until, DryRun: b.dryRun}
	if b.ledger.Part != nil && !b.dryRun {
		if err := b.runPart(ctx, &done); err != nil {
			return done, err
		}
	}
	for _, next := range b.ledger.open(asked) {
		b.ledger.Part = &part{period: next}
		if err := b.runPart(ctx, &done); err != nil {
			return done, err
		}
	}
	return done, nil
}

// runPart reads the ledger's part to its end.
func (b *backfill) runPart(ctx context.Context, done *backfilled) error {
	part := b.ledger.Part
	query := ingest.Query{Module: b.module, Since: part.Since, Until: part.Until, Origin: ingest.Backfill, Cursor: part.Cursor}
	for page, err := range b.lister.Changed(ctx, query) {
		if err != nil {
			return err
		}
		if err := b.take(ctx, part, page, done); err != nil {
			return err
		}
		b.report(*done)
	}
	if b.dryRun {
		b.ledger.Part = nil
		return nil
	}
	return b.ledger.finish(ctx, part.period)
}

// take makes a page safe. It is in the ledger before it is sent and after, so that a run that dies in between knows which
// events to look for in the stream.
func (b *backfill) take(ctx context.Context, part *part, page ingest.Page, done *backfilled) error {
	events := b.events(page.Changes, done)
	done.Records += len(page.Changes)
	done.total = page.Total
	if n := len(page.Changes); n > 0 {
		done.reached = page.Changes[n-1].OccurredAt
	}
	if b.dryRun {
		done.Events += len(events)
		return nil
	}
	stored := map[string]bool{}
	if len(part.Sending) > 0 { // an earlier run died with a page on its way
		var err error
		if stored, err = b.publisher.StoredSince(ctx, part.After, part.Sending); err != nil {
			return err
		}
	}
	part.Sending = part.Sending[:0]
	fresh := events[:0]
	for _, e := range events {
		if part.Sending = append(part.Sending, e.ID()); !stored[e.ID()] {
			fresh = append(fresh, e)
		}
	}
	if len(stored) == 0 { // else where it begins is known from then
		last, err := b.publisher.LastSequence(ctx)
		if err != nil {
			return err
		}
		part.After = last
	}
	if err := b.ledger.save(ctx); err != nil {
		return err
	}
	acks, err := b.publisher.Publish(ctx, fresh...)
	if err != nil {
		return err
	}
	for _, ack := range acks {
		if ack.Duplicate {
			done.Duplicates++
		} else {
			done.Events++
		}
	}
	part.Cursor, part.Sending, part.Records = page.Cursor, nil, part.Records+len(page.Changes)
	return b.ledger.save(ctx)
}

// events are those of changes. A record that makes none is left out, and told of: it must not keep the others out.
func (b *backfill) events(changes []ingest.Change, done *backfilled) []publish.Event {
	var events []publish.Event
	for _, change := range changes {
		made, err := b.mapping.Events(change)
		if err != nil {
			done.LeftOut++
			b.leftOut(fmt.Errorf("record %v: %w", change.IDs, err))
		}
		for _, e := range made {
			events = append(events, publish.Event{Event: e, Repeatable: true})
		}
	}
	return events
}
