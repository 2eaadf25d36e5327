package zoho

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
)

// Who made the change that a record shows: the editor of its last modification, its maker where the record was created in the span and
// changed after it, and who deleted it.
func TestRecordChangedBy(t *testing.T) {
	q := ingest.Query{Module: "Deals", Since: time.Date(2024, 6, 11, 0, 0, 0, 0, time.UTC), Until: time.Date(2024, 6, 12, 0, 0, 0, 0, time.UTC), Origin: ingest.Repair}
	const times = `"id":"1","Created_Time":"2024-06-11T10:30:00+05:30","Modified_Time":"2024-06-11T19:55:53+05:30"`
	for row, want := range map[string]string{
		times + `,"Created_By":{"id":"11"},"Modified_By":{"name":"An editor","id":"5725767000000411001"}`: "5725767000000411001",
		times + `,"Modified_By":{"id":5725767000000411001}`:                                               "5725767000000411001",
		times + `,"Modified_By":null`:                                                                     "",
		times + `,"Modified_By":"somebody"`:                                                               "",
		times + `,"Modified_By":{"id":"two words"}`:                                                       "",
		times + `,"Modified_By":{"name":"no editor"}`:                                                     "",
		times: "",
		`"id":"1","Created_Time":"2024-06-11T10:30:00+05:30","Modified_Time":"2024-07-11T19:55:53+05:30","Created_By":{"id":"11"},"Modified_By":{"id":"12"}`: "11",
	} {
		checkChangedBy(t, q, row, false, want)
	}
	checkChangedBy(t, q, `"id":"1","deleted_time":"2024-06-11T19:55:53+05:30","created_by":{"id":"11"},"deleted_by":{"name":"A person","id":"13"}`, true, "13")
}

func checkChangedBy(t *testing.T, q ingest.Query, row string, deleted bool, want string) {
	t.Helper()
	read, err := readRecord(json.RawMessage("{"+row+"}"), deleted)
	if err != nil {
		t.Fatal(err)
	}
	if change, ok := read.change(q, "default", "https://crm.example/Deals", time.Now()); !ok || change.ChangedBy != want {
		t.Errorf("of %s changed by %q, want %q", row, change.ChangedBy, want)
	}
}
