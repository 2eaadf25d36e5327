package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/publish"
	"github.com/crm-bridge/crm-bridge/transform"
)

// backfill reads what changed in a module from the CRM, and publishes it on the subjects of live events.
type backfill struct {
	provider, module string
	accounts         []string
	account          string // the one at work
	state            ingest.Store
	lister           ingest.Lister
	mapping          *transform.Mapping
	publisher        *publish.Publisher
	ledger           *ledger
	dryRun           bool
	stored           map[string]bool  // ids that the stream holds of the part, where it was begun before; nil: none
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

// runAll does a period for each account. One that fails does not keep the others from theirs.
func (b *backfill) runAll(ctx context.Context, asked period) (all backfilled, err error) {
	all = backfilled{Provider: b.provider, Module: b.module, Since: asked.Since, Until: asked.Until, DryRun: b.dryRun}
	for _, account := range b.accounts {
		b.account = account
		ledger, failed := openLedger(ctx, b.state, b.provider, account, b.module)
		if failed != nil {
			return all, failed
		}
		b.ledger = ledger
		done, failed := b.run(ctx, asked)
		all.Records, all.Events = all.Records+done.Records, all.Events+done.Events
		all.Duplicates, all.LeftOut = all.Duplicates+done.Duplicates, all.LeftOut+done.LeftOut
		if failed != nil {
			err = errors.Join(err, fmt.Errorf("account %s: %w", account, failed))
		}
	}
	return all, err
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
	b.stored = nil
	if len(part.Before) > 0 && !b.dryRun {
		var err error
		if b.stored, err = b.publisher.StoredSince(ctx, part.Before[0], b.provider); err != nil {
			return err
		}
	}
	query := ingest.Query{Account: b.account, Module: b.module, Since: part.Since, Until: part.Until, Origin: ingest.Backfill, Cursor: part.Cursor}
	for page, err := range b.lister.Changed(ctx, query) {
		if errors.Is(err, ingest.ErrCursor) && part.Cursor != "" {
			part.Cursor = ""
			return errors.Join(fmt.Errorf("%w: the same command begins the span again", err), b.ledger.save(ctx))
		}
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

// take makes a page safe. The ledger knows where the stream was before it is sent, so that a run after an interruption knows
// where to look for its events.
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
	events = slices.DeleteFunc(events, func(e publish.Event) bool { return b.stored[e.ID()] })
	last, err := b.publisher.LastSequence(ctx)
	if err != nil {
		return err
	}
	part.sends(last)
	if err := b.ledger.save(ctx); err != nil {
		return err
	}
	acks, err := b.publish(ctx, events, done)
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
	part.Cursor, part.Records = page.Cursor, part.Records+len(page.Changes)
	return b.ledger.save(ctx)
}

// publish makes a page's events safe. One that is larger than the stream takes is left out, like a record that makes none.
func (b *backfill) publish(ctx context.Context, events []publish.Event, done *backfilled) ([]publish.Ack, error) {
	acks, err := b.publisher.Publish(ctx, events...)
	if !errors.Is(err, publish.ErrTooLarge) {
		return acks, err
	}
	acks = nil
	for _, e := range events {
		one, err := b.publisher.Publish(ctx, e)
		switch {
		case errors.Is(err, publish.ErrTooLarge):
			done.LeftOut++
			b.leftOut(fmt.Errorf("event %s: %w", e.ID(), err))
		case err != nil:
			return acks, err
		}
		acks = append(acks, one...)
	}
	return acks, nil
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
