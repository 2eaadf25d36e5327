package keep

import (
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/google/go-cmp/cmp"
)

var day = time.Date(2026, 11, 1, 0, 0, 0, 0, time.UTC)

func hours(from, to int) Period {
	return Period{day.Add(time.Duration(from) * time.Hour), day.Add(time.Duration(to) * time.Hour)}
}

// What was done is not asked for again, whatever a later backfill asks for.
func TestLedger(t *testing.T) {
	l := &ledger{store: &ingest.Memory{}, key: "k"}
	for _, p := range []Period{hours(10, 12), hours(2, 4), hours(12, 13), hours(3, 5)} {
		if err := l.finish(t.Context(), p); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff([]Period{hours(2, 5), hours(10, 13)}, periods(l.Done)); diff != "" {
		t.Error(diff)
	}
	for _, test := range []struct {
		asked Period
		open  []Period
	}{
		{hours(0, 1), []Period{hours(0, 1)}},
		{hours(0, 24), []Period{hours(0, 2), hours(5, 10), hours(13, 24)}},
		{hours(3, 4), nil},
		{hours(4, 11), []Period{hours(5, 10)}},
		{hours(12, 14), []Period{hours(13, 14)}},
	} {
		if diff := cmp.Diff(test.open, l.open(test.asked)); diff != "" {
			t.Errorf("of %v: %s", test.asked, diff)
		}
	}
}

func periods(spans []ReadSpan) (all []Period) {
	for _, span := range spans {
		all = append(all, span.Period)
	}
	return all
}

// A span is known by the day on which it was read last, also where an earlier version of the bridge did not note that.
func TestLedgerKnowsWhen(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &ingest.Memory{}
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
		for _, p := range []Period{hours(8, 9), hours(9, 10), hours(2, 4), hours(20, 21)} {
			if err := open().finish(t.Context(), p); err != nil {
				t.Fatal(err)
			}
			time.Sleep(20 * time.Hour)
		}
		var got []string
		for _, span := range open().read(hours(1, 24)) {
			when := "before"
			if !span.ReadAt.IsZero() {
				when = "on " + span.ReadAt.Format(time.DateOnly)
			}
			got = append(got, fmt.Sprint(span.Since.Hour(), "-", span.Until.Hour(), " ", when))
		}
		want := []string{"1-2 before", "2-4 on 2000-01-02", "4-8 before", "8-10 on 2000-01-01", "20-21 on 2000-01-03"}
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
