package keep

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/retry"
)

// Backfill is a repair that somebody asked for: it lists what changed in a module, and has it accepted as callbacks and repairs
// are. A ledger remembers what was read, so that a span is read once unless it is asked for again. Set the fields once.
type Backfill struct {
	Provider, Module string
	Accounts         []string
	State            ingest.Store // of the ledgers
	Lister           ingest.Lister
	// Clock returns the CRM's clock for an account, by which periods are; nil: ours.
	Clock  func(ctx context.Context, account string) (*ingest.Clock, error)
	Accept ingest.Accept
	Stream Contents
	DryRun bool // read and count, but accept nothing
	Again  bool // read what was read before, too

	Report     func(Backfilled)    // called after each page
	LeftOut    func(error)         // called with each record that is rejected
	Comparing  func(module string) // called before the ids are read that the stream holds, which may take a minute
	ReadBefore func(ReadSpan)      // called with each span that is left out because it was read
}

// Contents are what a Backfill asks of the stream that takes its events.
type Contents struct {
	// IDs returns the ids of the events that Accept makes of a change, or the error with which it rejects it.
	IDs func(change ingest.Change) ([]string, error)
	// Last returns the sequence of the last event.
	Last func(ctx context.Context) (uint64, error)
	// HeldBehind returns which events of the provider the stream holds behind a sequence.
	HeldBehind func(ctx context.Context, sequence uint64) (Held, error)
	// HeldSince returns which events of a module the stream holds that it took since a time.
	HeldSince func(ctx context.Context, module string, since time.Time) (Held, error)
}

// Held reports whether a stream held an id when it was asked.
type Held func(id string) bool

// Backfilled is what a backfill has done so far, or in all.
type Backfilled struct {
	Provider   string    `json:"provider"`
	Module     string    `json:"module"`
	Since      time.Time `json:"since"`
	Until      time.Time `json:"until"`
	Records    int       `json:"records"`              // read from the CRM
	Events     int       `json:"events"`               // published; with a dry run those that would be
	Duplicates int       `json:"duplicates,omitempty"` // events that the stream holds already
	LeftOut    int       `json:"leftOut,omitempty"`    // records that make no valid event
	DryRun     bool      `json:"dryRun,omitempty"`

	AlreadyRead []ReadSpan `json:"alreadyRead,omitempty"` // what was left out because it was read before

	reached time.Time // how far in the span, where the CRM lists by time
	total   int       // records in all; 0: not known
}

// Part returns how much is done, from 0 to 1; 0: not known.
func (d Backfilled) Part() float64 {
	switch {
	case d.total > 0:
		return float64(d.Records) / float64(d.total)
	case d.reached.After(d.Since) && d.Until.After(d.Since):
		return min(1, d.reached.Sub(d.Since).Seconds()/d.Until.Sub(d.Since).Seconds())
	}
	return 0
}

// Run reads a period of each account; one without an Until ends now. An account that fails does not keep the others from theirs.
func (b *Backfill) Run(ctx context.Context, asked Period) (all Backfilled, err error) {
	all = Backfilled{Provider: b.Provider, Module: b.Module, Since: asked.Since, Until: asked.Until, DryRun: b.DryRun}
	nothing := all
	ledgers, resumed := make([]*ledger, len(b.Accounts)), -1
	for i, account := range b.Accounts {
		if ledgers[i], err = openLedger(ctx, b.State, b.Provider, account, b.Module); err != nil {
			return all, err
		}
		if ledgers[i].resumes() {
			resumed = i
		}
	}
	for i, account := range b.Accounts {
		// A run that was interrupted had done with the accounts before.
		one := &filling{Backfill: b, account: account, ledger: ledgers[i], again: b.Again && i >= resumed, done: nothing}
		failed := one.run(ctx, asked)
		all.Records, all.Events = all.Records+one.done.Records, all.Events+one.done.Events
		all.Duplicates, all.LeftOut = all.Duplicates+one.done.Duplicates, all.LeftOut+one.done.LeftOut
		all.Until = later(all.Until, one.done.Until)
		all.AlreadyRead = append(all.AlreadyRead, one.done.AlreadyRead...)
		if failed != nil {
			err = errors.Join(err, fmt.Errorf("account %s: %w", account, failed))
		}
	}
	return all, err
}

// filling is the backfill of one account.
type filling struct {
	*Backfill
	account string
	ledger  *ledger
	again   bool
	done    Backfilled
	held    map[string]Held // what the stream holds of the part, by module, where that is read again
	behind  Held            // what the stream holds of the part, where it was begun before; nil: nothing
}

// run reads what is not done yet of a period, or all of it again, after what an earlier run has left unfinished.
func (f *filling) run(ctx context.Context, asked Period) error {
	asked, err := f.untilNow(ctx, asked)
	if err != nil {
		return err
	}
	f.done.Until = asked.Until
	open := []Period{asked}
	if !f.again {
		open, f.done.AlreadyRead = f.ledger.open(asked), f.ledger.read(asked)
	}
	if !asked.Since.Before(asked.Until) {
		open = nil // it begins in the CRM's future
	}
	for _, span := range f.done.AlreadyRead {
		f.ReadBefore(span)
	}
	if part := f.ledger.Part; part != nil && !f.DryRun {
		if f.ledger.resumes() || !f.again {
			open = without(open, part.Period)
		}
		if err := f.runPart(ctx); err != nil {
			return err
		}
	}
	for _, next := range open {
		f.ledger.Part = &part{Period: next, Again: f.again, Began: time.Now().UTC()}
		if err := f.runPart(ctx); err != nil {
			return err
		}
	}
	return nil
}

// untilNow returns a period that ends, if it has no end. Now is by the CRM's clock, as the times of its records are: where ours is behind
// it the latest changes would be left out, and where ours is ahead changes to come would count as read.
func (f *filling) untilNow(ctx context.Context, asked Period) (Period, error) {
	if !asked.Until.IsZero() {
		return asked, nil
	}
	clock := &ingest.Clock{}
	if f.Clock != nil {
		var err error
		if clock, err = f.Clock(ctx, f.account); err != nil && !clock.Known() {
			return asked, fmt.Errorf("read the CRM's clock: %w", err)
		}
	}
	now := clock.Now()
	asked.Until = now.Truncate(time.Second).Add(time.Second) // CRMs write whole seconds: this one is read when it is over
	return asked, retry.Sleep(ctx, asked.Until.Sub(now))
}

// runPart reads the ledger's part to its end.
func (f *filling) runPart(ctx context.Context) error {
	part := f.ledger.Part
	f.behind, f.held = nil, map[string]Held{}
	if len(part.Before) > 0 && !f.DryRun && !part.Again {
		var err error
		if f.behind, err = f.Stream.HeldBehind(ctx, part.Before[0]); err != nil {
			return err
		}
	}
	query := ingest.Query{Account: f.account, Module: f.Module, Since: part.Since, Until: part.Until, Origin: ingest.Backfill, Cursor: part.Cursor}
	for page, err := range f.Lister.Changed(ctx, query) {
		if errors.Is(err, ingest.ErrCursor) && part.Cursor != "" {
			part.Cursor = ""
			return errors.Join(fmt.Errorf("%w: the same command begins the span again", err), f.ledger.save(ctx))
		}
		if err != nil {
			return err
		}
		if err := f.take(ctx, part, page); err != nil {
			return err
		}
		f.Report(f.done)
	}
	if f.DryRun {
		f.ledger.Part = nil
		return nil
	}
	return f.ledger.finish(ctx, part.Period)
}

// take makes a page safe. The ledger knows where the stream was before it is sent, so that a run after an interruption knows
// where to look for its events.
func (f *filling) take(ctx context.Context, part *part, page ingest.Page) error {
	changes, err := f.missing(ctx, part, page.Changes)
	if err != nil {
		return err
	}
	f.done.Records += len(page.Changes)
	f.done.total = page.Total
	if n := len(page.Changes); n > 0 {
		f.done.reached = page.Changes[n-1].OccurredAt
	}
	if f.DryRun {
		return nil
	}
	last, err := f.Stream.Last(ctx)
	if err != nil {
		return err
	}
	part.sends(last)
	if err := f.ledger.save(ctx); err != nil {
		return err
	}
	acks, err := f.Accept.Each(ctx, changes, func(i int, err error) { f.leaveOut(changes[i], err) })
	if err != nil {
		return err
	}
	for _, ack := range acks {
		if ack.Duplicate {
			f.done.Duplicates++
		} else {
			f.done.Events++
		}
	}
	part.Cursor, part.Records = page.Cursor, part.Records+len(page.Changes)
	return f.ledger.save(ctx)
}

func (f *filling) leaveOut(change ingest.Change, err error) {
	f.done.LeftOut++
	f.LeftOut(fmt.Errorf("record %v: %w", change.IDs, err))
}
