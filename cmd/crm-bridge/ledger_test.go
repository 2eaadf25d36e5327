package main

import (
	gocmp "cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/config"
	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/publish"
)

var day = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)

func hours(from, to int) period {
	return period{day.Add(time.Duration(from) * time.Hour), day.Add(time.Duration(to) * time.Hour)}
}

// What was done is not asked for again, whatever a later backfill asks for.
func TestLedger(t *testing.T) {
	l := &ledger{store: &memory{}, key: "k"}
	for _, p := range []period{hours(10, 12), hours(2, 4), hours(12, 13), hours(3, 5)} {
		if err := l.finish(t.Context(), p); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]period{hours(2, 5), hours(10, 13)}, periods(l.Done)); diff != "" {
		t.Error(diff)
	}
	for _, test := range []struct {
		asked period
		open  []period
	}{
		{hours(0, 1), []period{hours(0, 1)}},
		{hours(0, 24), []period{hours(0, 2), hours(5, 10), hours(13, 24)}},
		{hours(3, 4), nil},
		{hours(4, 11), []period{hours(5, 10)}},
		{hours(12, 14), []period{hours(13, 14)}},
	} {
		if diff := cmp.Diff(test.open, l.open(test.asked)); diff != "" {
			t.Errorf("of %v: %s", test.asked, diff)
		}
	}
}

func periods(spans []readSpan) (all []period) {
	for _, span := range spans {
		all = append(all, span.period)
	}
	return all
}

// A span is known by the day on which it was read last, also where an earlier version of the bridge did not note that.
func TestLedgerKnowsWhen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &memory{}
		open := func() *ledger {
			l, err := openLedger(t.Context(), store, "zoho", "default", "Deals")
			if err != nil {
				t.Fatal(err)
			}
			return l
		}
		l := open()
		old := `{"Done":[{"Since":"2026-11-01T00:00:00Z","Until":"2026-11-01T08:00:00Z"}],"Part":null}`
		if _, err := store.Save(t.Context(), l.key, []byte(old), 0); err != nil {
			t.Fatal(err)
		}
		for _, p := range []period{hours(8, 9), hours(9, 10), hours(2, 4), hours(20, 21)} {
			if err := open().finish(t.Context(), p); err != nil {
				t.Fatal(err)
			}
			time.Sleep(20 * time.Hour)
		}
		var got []string
		for _, span := range open().read(hours(1, 24)) {
			got = append(got, fmt.Sprint(span.Since.Hour(), "-", span.Until.Hour(), " ", strings.Fields(span.String())[7]+" "+strings.Fields(span.String())[8]))
		}
		want := []string{"1-2 before; --again", "2-4 on 2000-01-02;", "4-8 before; --again", "8-10 on 2000-01-01;", "20-21 on 2000-01-03;"}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Error(diff)
		}
		for n := range 2 * maxDone { // one a day, each touching the last
			if err := open().finish(t.Context(), hours(100+n, 101+n)); err != nil {
				t.Fatal(err)
			}
			time.Sleep(24 * time.Hour)
		}
		if n := len(open().Done); n > maxDone {
			t.Errorf("%d spans are kept", n)
		}
	})
}

// pages is a CRM with ten pages of three records. It breaks before a page when told to. A list that is gone on with shows
// the last page again, as one does whose cursor leads to a second and not to a record.
type pages struct {
	breaks    int    // the page before which it breaks
	operation string // of its records; empty: edit
	read      int    // pages that were read
}

func (p *pages) Changed(_ context.Context, q ingest.Query) iter.Seq2[ingest.Page, error] {
	return func(yield func(ingest.Page, error) bool) {
		first := 0
		if q.Cursor != "" {
			_, _ = fmt.Sscan(q.Cursor, &first)
			first = max(0, first-1)
		}
		for n := first; n < 10; n++ {
			if n == p.breaks {
				yield(ingest.Page{}, errors.New("the CRM is away"))
				return
			}
			p.read++
			page := ingest.Page{Cursor: fmt.Sprint(n + 1)}
			for i := range 3 {
				page.Changes = append(page.Changes, ingest.Change{
					Source: "zoho-records", Provider: "zoho", Account: "default", Module: "Deals", Operation: gocmp.Or(p.operation, "edit"), IDs: []string{fmt.Sprint(100*n + i)},
					OccurredAt: q.Since, ReceivedAt: time.Now(), Mark: q.Since.String(), Origin: q.Origin, Collection: "https://www.zohoapis.com/crm/v8/Deals",
					NativeOperation: "edit", NativeBody: []byte(`{"id":"1"}`),
				})
			}
			if !yield(page, nil) {
				return
			}
		}
	}
}

// failing is a store that refuses a save, and everything after it, as when a process dies there.
type failing struct {
	ingest.Store
	after int
}

func (f *failing) Save(ctx context.Context, key string, value []byte, revision uint64) (uint64, error) {
	if f.after--; f.after < 0 {
		return 0, errors.New("dead")
	}
	return f.Store.Save(ctx, key, value, revision)
}

// windowPasses returns when a stream with the window of clock's has forgotten the ids of all that it holds now.
func windowPasses(t *testing.T, clock *publish.Publisher) {
	t.Helper()
	tick := event.New()
	tick.SetID(time.Now().String())
	tick.SetType("crm.zoho.Deals.edit")
	tick.SetSource("clock")
	for first := true; ; first = false {
		acks, err := clock.Publish(t.Context(), publish.Event{Event: tick})
		if err != nil {
			t.Fatal(err)
		}
		if !first && !acks[0].Duplicate {
			return
		}
	}
}

// Wherever a backfill dies, the next one goes on there, and in the end the stream holds every event once.
func TestBackfillDiesAnywhere(t *testing.T) {
	server, err := publish.OpenServer(t.Context(), publish.ServerConfig{Dir: filepath.Join(t.TempDir(), "data"), OwnerPass: "owner", MaxPayload: 1 << 20, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	conn, err := server.Connect()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	// The window is so short that only the ledger keeps a second copy out.
	stream := publish.StreamConfig{Name: "CRM", Subjects: []string{"crm.>"}, MaxBytes: 1 << 30, Replicas: 1, Duplicates: 100 * time.Millisecond}
	if _, _, err := conn.EnsureStream(t.Context(), stream); err != nil {
		t.Fatal(err)
	}
	stream.Name, stream.Subjects = "CLOCK", []string{"clock.>"}
	if _, _, err := conn.EnsureStream(t.Context(), stream); err != nil {
		t.Fatal(err)
	}
	clock := &publish.Publisher{Conn: conn, Stream: "CLOCK", Prefix: "clock", AllIDs: true, Metrics: publish.NewMetrics(prometheus.NewRegistry())}
	mapping, err := newMapping(config.Settings{EventPer: "callback"}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	store := &memory{}
	crm := &pages{breaks: 4}
	for died := 0; ; died++ {
		l, err := openLedger(t.Context(), &failing{store, died % 5}, "zoho", "default", "Deals")
		if err != nil {
			t.Fatal(err)
		}
		b := &backfill{
			provider: "zoho", module: "Deals", lister: crm, mapping: mapping, ledger: l, report: func(backfilled) {}, readBefore: func(readSpan) {}, leftOut: func(err error) { t.Error(err) },
			publisher: &publish.Publisher{Conn: conn, Stream: "CRM", Prefix: "crm", AllIDs: true, Metrics: publish.NewMetrics(prometheus.NewRegistry())},
		}
		if _, err = b.run(t.Context(), hours(0, died%3+1)); err == nil && died > 10 {
			break
		}
		if died > 200 {
			t.Fatal(err)
		}
		if died > 20 {
			crm.breaks = -1
		}
		windowPasses(t, clock)
	}
	held, err := conn.Streams(t.Context())
	if err != nil || held["CRM"] == 0 || held["CRM"]%30 != 0 {
		t.Errorf("the stream holds %d events, and not a multiple of 30: %v", held["CRM"], err)
	}
}
