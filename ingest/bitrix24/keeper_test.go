package bitrix24_test

import (
	"context"
	"errors"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/keep"
)

// What changed while no bridge was there is known a minute after the start of the next, whatever the portal's clock says.
func TestRepairBeginsAtOnce(t *testing.T) {
	for _, skew := range []time.Duration{0, 9 * time.Minute, -9 * time.Minute, -5 * time.Hour, 25 * time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			w := installed(t, "Deal.all", false)
			w.crm.Skew = skew
			var mu sync.Mutex
			var repaired []string
			keeper := func(replica string) (stop func()) {
				app := w.replica(t, "Deal.all", false)
				k := &keep.Keeper{
					CRMs:  []*ingest.CRM{{Provider: "bitrix24", Watcher: app.Subscriptions, Lister: app.Records, Clock: app.Client.Clock}},
					State: w.state(), Ready: func(context.Context) bool { return true }, Replica: replica,
					Metrics: keep.NewKeeperMetrics(prometheus.NewRegistry()), Log: slog.New(slog.DiscardHandler),
					Accept: func(_ context.Context, changes []ingest.Change) ([]ingest.Ack, error) {
						mu.Lock()
						defer mu.Unlock()
						repaired = append(repaired, idsOf(changes)...)
						return make([]ingest.Ack, len(changes)), nil
					},
				}
				ctx, cancel := context.WithCancel(t.Context())
				done := make(chan struct{})
				go func() {
					defer close(done)
					k.Run(ctx)
				}()
				return func() { cancel(); <-done }
			}
			stop := keeper("one")
			time.Sleep(time.Hour)
			w.portal.Put(2, 1, nil) // told live
			time.Sleep(time.Hour)
			w.shared.mu.Lock()
			w.shared.fail = func(string, []byte) error { return errors.New("killed") }
			w.shared.mu.Unlock()
			stop()
			w.shared.fail = nil
			time.Sleep(time.Minute)
			w.portal.Put(2, 2, nil)
			time.Sleep(time.Minute)
			w.portal.Put(2, 3, nil)
			time.Sleep(time.Second)
			stop = keeper("two")
			time.Sleep(time.Minute)
			stop()
			if want := []string{"2", "3"}; !slices.Equal(repaired, want) {
				t.Errorf("skew %s: a minute after the start %v are known, of %v", skew, repaired, want)
			}
		})
	}
}

// What changed while a binding was missing is in the gap and is listed for it, whatever the portal's clock says, with a Date or
// without one.
func TestGapsByThePortalsClock(t *testing.T) {
	for _, skew := range []time.Duration{0, 8 * time.Minute, -9 * time.Minute, 5 * time.Hour, -26 * time.Hour} {
		synctest.Test(t, func(t *testing.T) {
			w := installed(t, "Deal.all", false)
			w.crm.Skew, w.crm.NoDate = skew, skew == 0
			watch(t, w)
			time.Sleep(30 * time.Minute)
			w.portal.ForgetHandlers(func(string) bool { return true })
			w.portal.Put(2, 5, nil)
			time.Sleep(30 * time.Minute)
			w.portal.Put(2, 6, nil)
			time.Sleep(time.Second)
			gaps := watch(t, w).Gaps
			if len(gaps) != 1 {
				t.Fatalf("%+v", gaps)
			}
			pages, err := listed(t, w, ingest.Query{Module: "Deal", Since: gaps[0].Since, Until: gaps[0].Until, Origin: ingest.Repair})
			if diff := cmp.Diff([]string{"5", "6"}, idsOf(changesOf(pages))); diff != "" || err != nil {
				t.Errorf("skew %s: %s %v", skew, diff, err)
			}
			clock, err := w.app.Client.Clock(t.Context(), member)
			if wrong := (time.Until(clock.Now()) - skew).Abs(); err != nil || wrong > clock.Tolerance() {
				t.Errorf("skew %s: the clock is wrong by %s, %v", skew, wrong, err)
			}
			fresh, err := w.client().Clock(t.Context(), member)
			if err != nil || fresh.Tolerance() != clock.Tolerance() {
				t.Errorf("a new process: %v", err)
			}
		})
	}
}
