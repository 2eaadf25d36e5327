package client

import (
	gocmp "cmp"
	"context"
	"errors"
	"fmt"
	"iter"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/bridge"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/config"
	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/keep"
	"github.com/crm-bridge/crm-bridge/publish"
	"github.com/crm-bridge/crm-bridge/schemas/cloudevent"
	"github.com/crm-bridge/crm-bridge/test/publishtest"
)

var day = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)

func hours(from, to int) keep.Period {
	return keep.Period{Since: day.Add(time.Duration(from) * time.Hour), Until: day.Add(time.Duration(to) * time.Hour)}
}

// pages is a CRM with ten pages of three records. It can be made to fail before a page. A list that is resumed shows
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
	tick := cloudevent.Event{ID: time.Now().String(), Type: "crm.zoho.Deals.edit", Source: "clock"}
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

// Wherever a backfill dies, the next one resumes there, and in the end the stream holds every event once.
func TestBackfillDiesAnywhere(t *testing.T) {
	_, conn := publishtest.Serve(t, nil)
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
	mapping, err := bridge.NewMapping(config.Settings{EventPer: "callback"}, nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	store := &ingest.Memory{}
	crm := &pages{breaks: 4}
	for died := 0; ; died++ {
		publisher := &publish.Publisher{Conn: conn, Stream: "CRM", Prefix: "crm", AllIDs: true, Metrics: publish.NewMetrics(prometheus.NewRegistry())}
		b := newBackfill("zoho", "Deals", mapping, publisher)
		b.Accounts, b.State, b.Lister = []string{"default"}, &failing{store, died % 5}, crm
		b.Report, b.ReadBefore, b.LeftOut = func(keep.Backfilled) {}, func(keep.ReadSpan) {}, func(err error) { t.Error(err) }
		if _, err = b.Run(t.Context(), hours(0, died%3+1)); err == nil && died > 10 {
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
