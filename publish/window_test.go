package publish_test

import (
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/crm-bridge/crm-bridge/publish"
	"github.com/crm-bridge/crm-bridge/test/publishtest"
)

// Beyond the bound of the window events are stored all the same, and a backfill still finds their ids; only a repeat is stored too.
func TestFullWindowStoresWithoutID(t *testing.T) {
	_, conn := publishtest.Open(t, nil)
	registry := prometheus.NewRegistry()
	publisher := publishtest.Publisher(conn)
	publisher.Metrics, publisher.Window = publish.NewMetrics(registry), &publish.Window{Most: 2, Length: time.Minute}
	sequence := uint64(0)
	for _, id := range []string{"first", "second", "third", "third", "first"} {
		acks, err := publisher.Publish(t.Context(), publish.Event{Event: publishtest.Event(id), Repeatable: true})
		if err != nil || acks[0].Duplicate || acks[0].Sequence != sequence+1 {
			t.Fatalf("%s: %+v %v", id, acks, err)
		}
		sequence = acks[0].Sequence
	}
	held, err := publisher.Held(t.Context(), "crm.>", publish.Bounds{}, 0)
	if err != nil || !held.Has("first") || !held.Has("second") || !held.Has("third") || held.Has("fourth") {
		t.Errorf("held: %v", err)
	}
	want := "# HELP crm_bridge_window_full_total Events stored without an id to compare with, because the duplicates window was full: a repeat is stored too.\n# TYPE crm_bridge_window_full_total counter\ncrm_bridge_window_full_total 3\n"
	if err := testutil.GatherAndCompare(registry, strings.NewReader(want), "crm_bridge_window_full_total"); err != nil {
		t.Error(err)
	}
}
