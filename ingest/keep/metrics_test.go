package keep

import (
	"context"
	"log/slog"
	"math"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/crm-bridge/crm-bridge/ingest"
)

// A channel that never ends is not one that is dead; and of several accounts whose channels have one name, each is seen.
func TestMetricTellsTheDeadFromTheEndless(t *testing.T) {
	reg := prometheus.NewRegistry()
	soon := time.Unix(1800000000, 0)
	NewKeeperMetrics(reg).expiry(nil, []ingest.Channel{
		{Provider: "zoho", Account: "default", ID: "1", State: "active", Expires: soon},
		{Provider: "zoho", Account: "default", ID: "2", State: "lapsed", Expires: soon},
		{Provider: "bitrix24", Account: "one", ID: "events", State: "active"},
		{Provider: "bitrix24", Account: "one", ID: "queue", State: "active"},
		{Provider: "bitrix24", Account: "two", ID: "queue", State: "refused"},
		{Provider: "bitrix24", Account: "three", ID: "queue", State: "active"},
	})
	want := map[string]float64{
		"zoho default 1": 1800000000, "zoho default 2": 0, "bitrix24 one events": math.Inf(1),
		"bitrix24 one queue": math.Inf(1), "bitrix24 two queue": 0, "bitrix24 three queue": math.Inf(1),
	}
	if difference := cmp.Diff(want, shownBy(t, reg)); difference != "" {
		t.Error(difference)
	}
}

// shownBy returns when channels expire, by provider, account and channel.
func shownBy(t *testing.T, reg *prometheus.Registry) map[string]float64 {
	t.Helper()
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, family := range families {
		if family.GetName() != "crm_bridge_channel_expiry_timestamp_seconds" {
			continue
		}
		for _, metric := range family.GetMetric() {
			labels := metric.GetLabel() // sorted: account, channel, provider
			got[labels[2].GetValue()+" "+labels[0].GetValue()+" "+labels[1].GetValue()] = metric.GetGauge().GetValue()
		}
	}
	return got
}

// changing is a Watcher whose channel has another id, and lives less long, at each Watch.
type changing struct{ looks int }

func (c *changing) Watch(context.Context, ingest.State, func(ingest.Gap) error) (ingest.Watched, error) {
	c.looks++
	return ingest.Watched{Next: time.Now().Add(time.Minute), Channels: []ingest.Channel{{Provider: "acme", Account: "one", ID: strconv.Itoa(c.looks), State: "lapsed"}}}, nil
}

// A channel that is gone is not shown any more, nor are the channels of a CRM that another replica keeps by now: it shows them, and may
// know that they are dead.
func TestMetricForgets(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store, reg, watcher := &ingest.Memory{}, prometheus.NewRegistry(), &changing{}
		k := &Keeper{
			CRMs: []*ingest.CRM{{Provider: "acme", Watcher: watcher}}, State: ingest.State{Shared: store, Secret: store}, Replica: "a",
			Ready: func(context.Context) bool { return true }, Metrics: NewKeeperMetrics(reg), Log: slog.New(slog.DiscardHandler),
		}
		ctx, end := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { k.Run(ctx) })
		time.Sleep(90 * time.Second)
		synctest.Wait()
		if difference := cmp.Diff(map[string]float64{"acme one 2": 0}, shownBy(t, reg)); watcher.looks != 2 || difference != "" {
			t.Errorf("after %d looks: %s", watcher.looks, difference)
		}
		_, revision, err := store.Load(ctx, "claim.acme")
		if err == nil {
			_, err = store.Save(ctx, "claim.acme", []byte("b"), revision)
		}
		if err != nil {
			t.Fatal(err)
		}
		time.Sleep(11 * time.Second)
		synctest.Wait()
		if shown := shownBy(t, reg); len(shown) > 0 {
			t.Errorf("shows %v, which another replica keeps", shown)
		}
		end()
		running.Wait()
	})
}
