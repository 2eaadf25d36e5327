package simulate

import (
	"encoding/json"
	"testing"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/zoho"
)

// Callbacks that several sends make in the same moment are about different records; those of one send about one record have
// different times. A stream would take equal ones for repeats.
func TestSamplesDiffer(t *testing.T) {
	source := &zoho.Notifications{}
	sample := func(next func(int) (ingest.Callback, error), i int) (record string, at int64) {
		cb, err := next(i)
		if err != nil {
			t.Fatal(err)
		}
		var body struct {
			IDs        []string
			ServerTime int64 `json:"server_time"`
		}
		if err := json.Unmarshal(cb.Body, &body); err != nil || len(body.IDs) != 1 {
			t.Fatalf("%s: %v", cb.Body, err)
		}
		return body.IDs[0], body.ServerTime
	}
	records, times := map[string]bool{}, map[int64]bool{}
	given := Samples(source, Spec{Operation: "edit", Token: "x", IDs: []string{"1"}}, "")
	for i := range 500 {
		elsewhere := Samples(source, Spec{Operation: "edit", Token: "x"}, "")
		record, _ := sample(elsewhere, 0)
		_, at := sample(given, i)
		records[record], times[at] = true, true
	}
	if len(records) != 500 || len(times) != 500 {
		t.Errorf("%d records, %d times", len(records), len(times))
	}
}
