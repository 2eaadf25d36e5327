package keep

import (
	"math"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/crm-bridge/crm-bridge/ingest"
)

// A channel that never ends is not one that is dead; and of several accounts whose channels have one name, each is seen.
func TestMetricTellsTheDeadFromTheEndless(t *testing.T) {
	reg := prometheus.NewRegistry()
	soon := time.Unix(1800000000, 0)
	NewKeeperMetrics(reg).expiry([]ingest.Channel{
		{Provider: "zoho", Account: "default", ID: "1", State: "active", Expires: soon},
		{Provider: "zoho", Account: "default", ID: "2", State: "lapsed", Expires: soon},
		{Provider: "bitrix24", Account: "one", ID: "events", State: "active"},
		{Provider: "bitrix24", Account: "one", ID: "queue", State: "active"},
		{Provider: "bitrix24", Account: "two", ID: "queue", State: "refused"},
		{Provider: "bitrix24", Account: "three", ID: "queue", State: "active"},
	})
	families, err := reg.Gather()
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]float64{}
	for _, family := range families {
		for _, metric := range family.GetMetric() {
			labels := metric.GetLabel() // sorted: account, channel, provider
			got[labels[2].GetValue()+" "+labels[0].GetValue()+" "+labels[1].GetValue()] = metric.GetGauge().GetValue()
		}
	}
	want := map[string]float64{
		"zoho default 1": 1800000000, "zoho default 2": 0, "bitrix24 one events": math.Inf(1),
		"bitrix24 one queue": math.Inf(1), "bitrix24 two queue": 0, "bitrix24 three queue": math.Inf(1),
	}
	if difference := cmp.Diff(want, got); difference != "" {
		t.Error(difference)
	}
}
