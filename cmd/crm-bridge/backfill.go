package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"

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
	again            bool                     // read what was read before, too
	held             map[string]*publish.Held // what the stream holds of the part, by module, where that is read again
	stored           map[string]bool          // ids that the stream holds of the part, where it was begun before; nil: none
	report           func(backfilled)         // after each page
	leftOut          func(error)
	comparing        func(module string) // before the ids are read that the stream holds, which may take a minute
	readBefore       func(readSpan)      // for each span that is left out because it was read
}

// backfilled is what a backfill has done so far, or in all.
type backfilled struct {
	Provider   string    `json:"provider"`
	Module     string    `json:"module"`
	Since      time.Time `json:"since"`
	Until      time.Time `json:"until"`
	Records    int       `json:"records"`              // read from the CRM
	Events     int       `json:"events"`               // published; with a dry run those that would be
	Duplicates int       `json:"duplicates,omitempty"` // events that the stream holds already
	LeftOut    int       `json:"leftOut,omitempty"`    // records that make no valid event
	DryRun     bool      `json:"dryRun,omitempty"`

	AlreadyRead []readSpan `json:"alreadyRead,omitempty"` // what was left out because it was read before

	reached time.Time // how far in the span, where the CRM lists by time
	total   int       // records in all; 0: not known
}

// runAll does a period for each account. One that fails does not keep the others from theirs.
func (b *backfill) runAll(ctx context.Context, asked period) (all backfilled, err error) {
	all = backfilled{Provider: b.provider, Module: b.module, Since: asked.Since, Until: asked.Until, DryRun: b.dryRun}
	ledgers, resumed := make([]*ledger, len(b.accounts)), -1
	for i, account := range b.accounts {
		if ledgers[i], err = openLedger(ctx, b.state, b.provider, account, b.module); err != nil {
			return all, err
		}
		if ledgers[i].resumes() {
			resumed = i
		}
	}
	again := b.again
	for i, account := range b.accounts {
		b.account, b.ledger = account, ledgers[i]
		b.again = again && i >= resumed // a run that was interrupted had done with the accounts before
		done, failed := b.run(ctx, asked)
		all.Records, all.Events = all.Records+done.Records, all.Events+done.Events
		all.Duplicates, all.LeftOut = all.Duplicates+done.Duplicates, all.LeftOut+done.LeftOut
		all.AlreadyRead = append(all.AlreadyRead, done.AlreadyRead...)
		if failed != nil {
			err = errors.Join(err, fmt.Errorf("account %s: %w", account, failed))
		}
	}
	return all, err
}

// run does what is not done yet of a period, or all of it again, after what an earlier run has left unfinished.
func (b *backfill) run(ctx context.Context, asked period) (done backfilled, err error) {
	done = backfilled{Provider: b.provider, Module: b.module, Since: asked.Since, Until: asked.Until, DryRun: b.dryRun}
	open := []period{asked}
	if !b.again {
		open, done.AlreadyRead = b.ledger.open(asked), b.ledger.read(asked)
	}
	for _, span := range done.AlreadyRead {
		b.readBefore(span)
	}
	if part := b.ledger.Part; part != nil && !b.dryRun {
		if b.ledger.resumes() || !b.again {
			open = without(open, part.period)
		}
		if err := b.runPart(ctx, &done); err != nil {
			return done, err
		}
	}
	for _, next := range open {
		b.ledger.Part = &part{period: next, Again: b.again, Began: time.Now().UTC()}
		if err := b.runPart(ctx, &done); err != nil {
			return done, err
		}
	}
	return done, nil
}

// runPart reads the ledger's part to its end.
func (b *backfill) runPart(ctx context.Context, done *backfilled) error {
	part := b.ledger.Part
	b.stored, b.held = nil, map[string]*publish.Held{}
	if len(part.Before) > 0 && !b.dryRun && !part.Again {
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
	events, err := b.events(ctx, part, page.Changes, done)
	if err != nil {
		return err
	}
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

// events are those of changes, without those that the stream holds where the part is read again. A record that makes none is
// left out and logged, so that it does not hold up the others.
func (b *backfill) events(ctx context.Context, part *part, changes []ingest.Change, done *backfilled) ([]publish.Event, error) {
	var events []publish.Event
	for _, change := range changes {
		made, err := b.mapping.Events(change)
		if err != nil {
			done.LeftOut++
			b.leftOut(fmt.Errorf("record %v: %w", change.IDs, err))
		}
		if part.Again {
			all := len(made)
			if made, err = b.notHeld(ctx, part, change, made); err != nil {
				return nil, err
			}
			done.Duplicates += all - len(made)
		}
		for _, e := range made {
			events = append(events, publish.Event{Event: e, Repeatable: true})
		}
	}
	return events, nil
}

// notHeld returns those of a change's events that the stream does not hold. A record that was made inside one span, and before
// another, is created in one and edited in the other: it is one event all the same.
func (b *backfill) notHeld(ctx context.Context, part *part, change ingest.Change, made []event.Event) ([]event.Event, error) {
	held := b.held[change.Module]
	if held == nil {
		var err error
		b.comparing(change.Module)
		subject := b.publisher.Prefix + "." + change.Provider + "." + change.Module + ".*"
		if held, err = b.publisher.Held(ctx, subject, part.Since.Add(-heldBefore), publish.MaxHeld); err != nil {
			if errors.Is(err, publish.ErrTooManyHeld) {
				err = fmt.Errorf("%w; read a later --since again", err)
			}
			return nil, err
		}
		b.held[change.Module] = held
	}
	other := change
	switch change.Operation {
	case "create":
		other.Operation = "edit"
	case "edit":
		other.Operation = "create"
	}
	others, err := b.mapping.Events(other)
	if err != nil {
		others = nil
	}
	var rest []event.Event
	for i, e := range made {
		if !held.Has(e.ID()) && (i >= len(others) || !held.Has(others[i].ID())) {
			rest = append(rest, e)
		}
	}
	return rest, nil
}

// heldBefore is how much earlier than a record was modified, by the CRM's clock, its event may have been stored, by ours.
const heldBefore = 48 * time.Hour
