package keep_test

import (
	"context"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/ingesttest"
	"github.com/crm-bridge/crm-bridge/ingest/keep"
)

// twoPages is a CRM that lists four records on two pages, and breaks off before one.
type twoPages struct{ breaks int }

func (p *twoPages) Changed(_ context.Context, q ingest.Query) iter.Seq2[ingest.Page, error] {
	return func(yield func(ingest.Page, error) bool) {
		for n := 1; n <= 2; n++ {
			switch {
			case q.Cursor >= fmt.Sprint(n):
				continue
			case n == p.breaks:
				yield(ingest.Page{}, errors.New("the CRM is down"))
				return
			}
			page := ingest.Page{Cursor: fmt.Sprint(n), Total: 4}
			for i := range 2 {
				page.Changes = append(page.Changes, ingest.Change{Provider: "zoho", Account: q.Account, Module: q.Module, Operation: "edit", IDs: []string{fmt.Sprint(10*n + i)}, Origin: q.Origin})
			}
			if !yield(page, nil) {
				return
			}
		}
	}
}

// accepted is a stream as a backfill sees it: what was accepted, in order, of the account and record.
type accepted struct {
	ids     []string
	refuses string // a record that makes no valid event
}

func idOf(change ingest.Change) string { return change.Account + "/" + change.IDs[0] }

func (a *accepted) accept(_ context.Context, changes []ingest.Change) (acks []ingest.Ack, err error) {
	for _, change := range changes {
		if change.IDs[0] == a.refuses {
			return nil, ingest.ErrMalformed
		}
		if change.Origin != ingest.Backfill {
			return nil, fmt.Errorf("a backfill's change has the origin %s", change.Origin)
		}
	}
	for _, change := range changes {
		a.ids = append(a.ids, idOf(change))
		acks = append(acks, ingest.Ack{ID: idOf(change)})
	}
	return acks, nil
}

func (a *accepted) stream() keep.Contents {
	behind := func(n int) (keep.Held, error) {
		held := slices.Clone(a.ids[n:])
		return func(id string) bool { return slices.Contains(held, id) }, nil
	}
	return keep.Contents{
		IDs: func(change ingest.Change) ([]string, error) {
			if change.IDs[0] == a.refuses {
				return nil, ingest.ErrMalformed
			}
			return []string{idOf(change)}, nil
		},
		Last:       func(context.Context) (uint64, error) { return uint64(len(a.ids)), nil },
		HeldBehind: func(_ context.Context, sequence uint64) (keep.Held, error) { return behind(int(sequence)) },
		HeldSince:  func(context.Context, string, time.Time) (keep.Held, error) { return behind(0) },
	}
}

// A backfill of several accounts goes through Accept as callbacks do; a record that is rejected is left out alone, in a dry
// run too; an account that fails does not keep the next from its turn, and what it has left is all that the next run reads.
func TestBackfill(t *testing.T) {
	crm, stream, state := &twoPages{}, &accepted{refuses: "11"}, ingesttest.State()
	until := time.Date(2026, 11, 2, 0, 0, 0, 0, time.UTC)
	run := func(again, dryRun bool) (done keep.Backfilled, leftOut []error, before []keep.ReadSpan, err error) {
		b := &keep.Backfill{
			Provider: "zoho", Module: "Deals", Accounts: []string{"one", "two"}, State: state.Shared, Lister: crm, Accept: stream.accept, Stream: stream.stream(),
			Again: again, DryRun: dryRun, Report: func(keep.Backfilled) {}, LeftOut: func(err error) { leftOut = append(leftOut, err) },
			Comparing: func(string) {}, ReadBefore: func(span keep.ReadSpan) { before = append(before, span) },
		}
		done, err = b.Run(t.Context(), keep.Period{Since: until.Add(-time.Hour), Until: until})
		return done, leftOut, before, err
	}
	done, leftOut, _, err := run(false, true)
	if err != nil || done.Events != 6 || done.LeftOut != 2 || len(leftOut) != 2 || len(stream.ids) != 0 {
		t.Errorf("a dry run: %+v, left out %v, accepted %v: %v", done, leftOut, stream.ids, err)
	}
	crm.breaks = 2
	if done, leftOut, _, err = run(false, false); err == nil || done.Events != 2 || len(leftOut) != 2 || !slices.Equal(stream.ids, []string{"one/10", "two/10"}) {
		t.Errorf("broken off: %+v, left out %v, accepted %v: %v", done, leftOut, stream.ids, err)
	}
	crm.breaks = 0
	if done, _, _, err = run(false, false); err != nil || done.Events != 4 || !slices.Equal(stream.ids[2:], []string{"one/20", "one/21", "two/20", "two/21"}) {
		t.Errorf("resumed: %+v, accepted %v: %v", done, stream.ids, err)
	}
	if done, _, before, err := run(false, false); err != nil || done.Records != 0 || len(before) != 2 || len(done.AlreadyRead) != 2 {
		t.Errorf("read before: %+v, says %v: %v", done, before, err)
	}
	stream.ids = slices.DeleteFunc(stream.ids, func(id string) bool { return id == "one/21" })
	if done, _, _, err = run(true, false); err != nil || done.Records != 8 || done.Events != 1 || done.Duplicates != 5 || done.LeftOut != 2 {
		t.Errorf("again: %+v: %v", done, err)
	}
}

// A backfill without an end ends now by the CRM's clock: one that is ahead of ours has changes that would seem to be to come, and one that
// is behind has changes to come that would seem to be read.
func TestBackfillEndsByTheClockOfTheCRM(t *testing.T) {
	for _, ahead := range []time.Duration{7 * time.Minute, -7 * time.Minute} {
		clock, stream := &ingest.Clock{}, &accepted{}
		clock.Observe(http.Header{"Date": {time.Now().Add(ahead).UTC().Format(http.TimeFormat)}}, time.Now(), time.Now())
		b := &keep.Backfill{
			Provider: "zoho", Module: "Deals", Accounts: []string{"one"}, State: ingesttest.State().Shared, Lister: &twoPages{}, Accept: stream.accept, Stream: stream.stream(),
			Clock:  func(context.Context, string) (*ingest.Clock, error) { return clock, nil },
			Report: func(keep.Backfilled) {}, ReadBefore: func(keep.ReadSpan) {},
		}
		done, err := b.Run(t.Context(), keep.Period{Since: time.Now().Add(-time.Hour)})
		if apart := time.Until(done.Until) - ahead; err != nil || apart.Abs() > 10*time.Second || done.Events != 4 {
			t.Errorf("the CRM is %s ahead, and the span of %d events ended %s from now: %v", ahead, done.Events, time.Until(done.Until), err)
		}
	}
}
