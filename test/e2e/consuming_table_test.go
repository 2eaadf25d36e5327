package e2e

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/crm-bridge/crm-bridge/schemas"
)

// putState publishes a state of a record, of a deleted one if after is empty.
func putState(t *testing.T, js jetstream.JetStream, module, id, after string) {
	t.Helper()
	e := schemas.RecordEvent{PartitionKey: "zoho/default/" + module + "/" + id, Data: schemas.Record{ID: id, After: json.RawMessage(after)}}
	if after == "" {
		e.Data.After = nil
	}
	text, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.Publish(t.Context(), "crm-records.zoho.default."+module+"."+id, text); err != nil {
		t.Fatal(err)
	}
}

// shown returns the deals of a table as soon as it is complete and they are what is wanted, or as they are after ten seconds.
func (t *table) shown(test *testing.T, wanted string) string {
	test.Helper()
	var last string
	for end := time.Now().Add(10 * time.Second); time.Now().Before(end); time.Sleep(5 * time.Millisecond) {
		t.mu.Lock()
		var rows []string
		for _, key := range slices.Sorted(maps.Keys(t.deals)) {
			rows = append(rows, strings.TrimPrefix(key, "zoho/default/Deals/")+string(t.deals[key]))
		}
		if last = strings.Join(rows, " "); !t.complete {
			last += " incomplete"
		}
		t.mu.Unlock()
		if last == wanted {
			return last
		}
	}
	return last
}

// A consumer of records gets the table as it is, without what was deleted or belongs to another module, then every change; it takes no
// more rights than docs/consuming.md lists. Of an empty stream the table is complete at once.
func TestRecordsAreATable(t *testing.T) {
	as := ownNATS(t, "CRM_RECORDS")
	js := service(t, as("bridge:b"))
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "CRM_RECORDS", Subjects: []string{"crm-records.>"}, MaxMsgsPerSubject: 2}); err != nil {
		t.Fatal(err)
	}
	follow := func() *table {
		deals := &table{deals: map[string]json.RawMessage{}}
		following, err := deals.follow(t.Context(), service(t, as("reader:r")))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(following.Stop)
		return deals
	}
	early := follow()
	if got := early.shown(t, ""); got != "" {
		t.Errorf("of an empty stream: %q", got)
	}
	putState(t, js, "Deals", "1", `{"Stage":"New"}`)
	putState(t, js, "Deals", "2", `{"Stage":"New"}`)
	putState(t, js, "Deals", "3", `{"Stage":"New"}`)
	putState(t, js, "Leads", "4", `{}`)
	putState(t, js, "Deals", "1", `{"Stage":"Won"}`)
	putState(t, js, "Deals", "2", "")
	const before = `1{"Stage":"Won"} 3{"Stage":"New"}`
	late := follow()
	for name, deals := range map[string]*table{"early": early, "late": late} {
		if got := deals.shown(t, before); got != before {
			t.Errorf("%s: %s", name, got)
		}
	}
	putState(t, js, "Deals", "2", `{"Stage":"Again"}`)
	putState(t, js, "Deals", "3", "")
	const after = `1{"Stage":"Won"} 2{"Stage":"Again"}`
	for name, deals := range map[string]*table{"early": early, "late": late} {
		if got := deals.shown(t, after); got != after {
			t.Errorf("%s: %s", name, got)
		}
	}
}
