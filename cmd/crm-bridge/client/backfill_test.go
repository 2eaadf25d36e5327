package client

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/bridge"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/config"
	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/keep"
	"github.com/crm-bridge/crm-bridge/publish"
	"github.com/crm-bridge/crm-bridge/test/publishtest"
)

// againWorld is a CRM, a stream that forgets ids at once, and what backfills remember.
type againWorld struct {
	t         *testing.T
	crm       *pages
	store     ingest.Store
	publisher *publish.Publisher
	clock     *publish.Publisher
	before    []keep.ReadSpan
}

func newAgainWorld(t *testing.T) *againWorld {
	_, conn := publishtest.Serve(t, nil)
	publisher := func(stream, prefix string) *publish.Publisher {
		config := publish.StreamConfig{Name: stream, Subjects: []string{prefix + ".>"}, MaxBytes: 1 << 30, Replicas: 1, Duplicates: 100 * time.Millisecond}
		if _, _, err := conn.EnsureStream(t.Context(), config); err != nil {
			t.Fatal(err)
		}
		return &publish.Publisher{Conn: conn, Stream: stream, Prefix: prefix, AllIDs: true, Metrics: publish.NewMetrics(prometheus.NewRegistry())}
	}
	return &againWorld{t: t, crm: &pages{breaks: -1}, store: &ingest.Memory{}, publisher: publisher("CRM", "crm"), clock: publisher("CLOCK", "clock")}
}

// backfill runs one when the stream has forgotten all ids.
func (w *againWorld) backfill(asked keep.Period, again, dryRun bool) (keep.Backfilled, error) {
	windowPasses(w.t, w.clock)
	mapping, err := bridge.NewMapping(config.Settings{EventPer: "callback"}, nil, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	w.before, w.crm.read = nil, 0
	b := newBackfill("zoho", "Deals", mapping, w.publisher)
	b.Accounts, b.State, b.Lister, b.Again, b.DryRun = []string{"default"}, w.store, w.crm, again, dryRun
	b.Report, b.Comparing, b.LeftOut = func(keep.Backfilled) {}, func(string) {}, func(err error) { w.t.Error(err) }
	b.ReadBefore = func(span keep.ReadSpan) { w.before = append(w.before, span) }
	return b.Run(w.t.Context(), asked)
}

// events returns what the stream holds.
func (w *againWorld) events() (all []publish.Event) {
	w.t.Helper()
	span, err := w.publisher.Conn.OpenSpan(w.t.Context(), "CRM", nil, publish.Bounds{})
	if err != nil {
		w.t.Fatal(err)
	}
	if err := span.Each(w.t.Context(), func(e publish.Stored) error {
		one, err := e.Event()
		all = append(all, publish.Event{Event: publishtest.Read(w.t, one), Repeatable: true})
		return err
	}); err != nil {
		w.t.Fatal(err)
	}
	return all
}

// ids returns how often the stream holds each id.
func (w *againWorld) ids() map[string]int {
	w.t.Helper()
	ids := map[string]int{}
	for _, e := range w.events() {
		ids[e.ID]++
	}
	return ids
}

// loses returns the same world after the stream has dropped its oldest events.
func (w *againWorld) loses(oldest int) *againWorld {
	w.t.Helper()
	later := newAgainWorld(w.t)
	later.crm, later.store = w.crm, w.store
	if left := w.events()[oldest:]; len(left) > 0 {
		if _, err := later.publisher.Publish(w.t.Context(), left...); err != nil {
			w.t.Fatal(err)
		}
	}
	return later
}

func (w *againWorld) expect(what string, done keep.Backfilled, err error, events, duplicates int) {
	w.t.Helper()
	if err != nil || done.Events != events || done.Duplicates != duplicates {
		w.t.Errorf("%s: %+v, %v", what, done, err)
	}
}

// A span is read once, unless it is asked for again; then its events have the ids that they had, and the stream gets those that it
// holds no longer, and none of the others, long after its window has forgotten them.
func TestBackfillAgain(t *testing.T) {
	w := newAgainWorld(t)
	asked := hours(0, 5)
	done, err := w.backfill(asked, false, false)
	w.expect("the first time", done, err, 30, 0)
	first := w.ids()
	if done, err = w.backfill(asked, false, false); len(w.before) != 1 || w.before[0].Period != asked || w.before[0].ReadAt.IsZero() || w.crm.read != 0 || len(done.AlreadyRead) != 1 {
		t.Errorf("the second time it says %v, and reads %d pages", w.before, w.crm.read)
	}
	w.expect("the second time", done, err, 0, 0)
	done, err = w.backfill(asked, true, false)
	w.expect("again, with all of it in the stream", done, err, 0, 30)
	w.crm.operation = "create" // as in a span that began earlier
	done, err = w.backfill(asked, true, false)
	w.expect("again, with records that were made in the span", done, err, 0, 30)
	w.crm.operation = ""

	w = w.loses(12)
	done, err = w.backfill(asked, true, true)
	w.expect("a dry run", done, err, 12, 18)
	done, err = w.backfill(asked, true, false)
	w.expect("again, with some of it gone", done, err, 12, 18)
	for id, times := range w.ids() {
		if first[id] != 1 || times != 1 {
			t.Errorf("the stream holds %s %d times", id, times)
		}
	}
	if len(w.before) != 0 {
		t.Errorf("says %v", w.before)
	}
}

// A run with --again that breaks off is resumed by the same command, on the page where it broke, also when a later --until was
// asked for meanwhile; and in the end the stream holds each event once.
func TestBackfillAgainResumes(t *testing.T) {
	w := newAgainWorld(t)
	if _, err := w.backfill(hours(0, 5), false, false); err != nil {
		t.Fatal(err)
	}
	w = w.loses(30)
	w.crm.breaks = 6
	if done, err := w.backfill(hours(0, 5), true, false); err == nil || done.Events != 18 {
		t.Fatalf("%+v, %v", done, err)
	}
	w.crm.breaks = -1
	done, err := w.backfill(hours(0, 5), true, false)
	w.expect("resumed", done, err, 12, 3) // a page is shown twice
	if w.crm.read != 5 {
		t.Errorf("%d pages were read", w.crm.read)
	}
	for id, times := range w.ids() {
		if times != 1 {
			t.Errorf("the stream holds %s %d times", id, times)
		}
	}
	done, err = w.backfill(hours(0, 5), true, false)
	w.expect("once more", done, err, 0, 30)
}

// What was read before says when, where that is known, and how to read it all the same.
func TestReadBefore(t *testing.T) {
	span := keep.ReadSpan{Period: hours(1, 2)}
	if text := ReadBefore(span); text != "2026-11-01T01:00:00Z to 2026-11-01T02:00:00Z: this span was read before; --again reads it once more" {
		t.Error(text)
	}
	if span.ReadAt = day; !strings.Contains(ReadBefore(span), " read on 2026-11-01; --again") {
		t.Error(ReadBefore(span))
	}
}
