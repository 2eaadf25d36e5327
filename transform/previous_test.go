package transform_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/transform"
)

// told are the members of an event's data that say who changed what.
type told struct {
	IDs       []string                   `json:"ids"`
	ChangedBy string                     `json:"changedBy"`
	Values    map[string]json.RawMessage `json:"values"`
	Previous  map[string]json.RawMessage `json:"previous"`
}

func toldBy(t *testing.T, m *transform.Mapping, c ingest.Change) (all []told) {
	t.Helper()
	events, err := m.Events(c)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range events {
		var one told
		if err := json.Unmarshal(e.Data, &one); err != nil {
			t.Fatal(err)
		}
		all = append(all, one)
	}
	return all
}

// The old values of the fields that changed, and who changed them, are in the event with every digit.
func TestPreviousAndChangedBy(t *testing.T) {
	m, c := mapping(t), change()
	c.ChangedBy = "5725767000000411001"
	c.Previous = map[string]json.RawMessage{"2": json.RawMessage(`{"Amount": 1.00, "Owner":{"id":12345678901234567890}}`), "1": json.RawMessage(`{"Stage":null}`)}
	want := told{
		IDs: []string{"1", "2"}, ChangedBy: "5725767000000411001", Values: map[string]json.RawMessage{"2": json.RawMessage(`{"Amount":1.10}`)},
		Previous: map[string]json.RawMessage{"1": json.RawMessage(`{"Stage":null}`), "2": json.RawMessage(`{"Amount":1.00,"Owner":{"id":12345678901234567890}}`)},
	}
	if diff := cmp.Diff([]told{want}, toldBy(t, m, c)); diff != "" {
		t.Error(diff)
	}
	m.PerRecord = true
	for i, one := range toldBy(t, m, c) {
		id := c.IDs[i]
		if diff := cmp.Diff(map[string]json.RawMessage{id: want.Previous[id]}, one.Previous); diff != "" || one.ChangedBy != want.ChangedBy {
			t.Errorf("the event of record %s: %s, changed by %q", id, diff, one.ChangedBy)
		}
	}
	delete(c.Previous, "1")
	if first := toldBy(t, m, c)[0]; first.Previous != nil {
		t.Errorf("nothing is known of record 1 before: %s", first.Previous)
	}
}

// Secrets are masked in old values as in new ones, and in who changed them. A record's own fields keep their names.
func TestPreviousHasNoSecrets(t *testing.T) {
	m, c := mapping(t), change()
	c.ChangedBy = "user of configured-secret"
	c.Previous = map[string]json.RawMessage{"1": json.RawMessage(`{"Token":"B-12","note":"see configured-secret","u":"authorization=Zoho-oauthtoken 1000.abcdefgh.abcdefgh"}`)}
	got := toldBy(t, m, c)[0]
	if diff := cmp.Diff(`{"Token":"B-12","note":"see ***","u":"authorization=***"}`, string(got.Previous["1"])); diff != "" {
		t.Error(diff)
	}
	if got.ChangedBy != "user of ***" {
		t.Errorf("changed by %q", got.ChangedBy)
	}
	c.Previous["1"] = json.RawMessage(`{`)
	if _, err := m.Events(c); err == nil {
		t.Error("old values that are not JSON are accepted")
	}
}
