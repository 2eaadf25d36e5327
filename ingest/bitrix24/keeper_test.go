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

	"github.com/prometheus/client_golang/prometheus"

	"github.com/crm-bridge/crm-bridge/ingest"
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
				k := &ingest.Keeper{
					Kept:  []ingest.Kept{{Label: "bitrix24", Watcher: app.Subscriptions, Lister: app.Records, Clock: app.Client.Clock}},
					State: w.state(), Ready: func(context.Context) bool { return true }, Replica: replica,
					Metrics: ingest.NewKeeperMetrics(prometheus.NewRegistry()), Log: slog.New(slog.DiscardHandler),
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
			w.shared.fail = func(string, []byte) error { return errors.New("killed") }
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
