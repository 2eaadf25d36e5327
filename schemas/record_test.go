package schemas_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/crm-bridge/crm-bridge/schemas"
)

// A Record preserves every example: no member is unknown, no digit changes, and null stays null.
func TestRecordsLoseNothing(t *testing.T) {
	set, err := schemas.Load()
	if err != nil {
		t.Fatal(err)
	}
	for _, data := range golden(t, set)[schemas.RecordFamily] {
		var record schemas.Record
		if err := json.Unmarshal(data, &record); err != nil {
			t.Fatalf("%v\n%s", err, data)
		}
		again, err := json.Marshal(record)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(decoded(t, data), decoded(t, again)); diff != "" {
			t.Error(diff)
		}
	}
}

// A state that is null is nil, also in a Record that had another before, and only then.
func TestNoStateIsNil(t *testing.T) {
	record := schemas.Record{Before: json.RawMessage(`{}`), After: json.RawMessage(`{}`)}
	if err := json.Unmarshal([]byte(`{"before":{"a":null},"after":null}`), &record); err != nil {
		t.Fatal(err)
	}
	if string(record.Before) != `{"a":null}` || record.After != nil {
		t.Errorf("before %s, after %s", record.Before, record.After)
	}
	if err := json.Unmarshal([]byte(`{"id":7}`), &record); err == nil {
		t.Error("an id that is a number was decoded")
	}
}

// A RecordEvent preserves its message, whose data fits the schema of its family. The schema of the envelope accepts it, and rejects an
// event, as the event's rejects a state.
func TestRecordEventsLoseNothing(t *testing.T) {
	set, err := schemas.Load()
	if err != nil {
		t.Fatal(err)
	}
	var e schemas.RecordEvent
	if err := json.Unmarshal(recordMessage, &e); err != nil {
		t.Fatal(err)
	}
	again, err := json.Marshal(e)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(decoded(t, recordMessage), decoded(t, again)); diff != "" {
		t.Error(diff)
	}
	data, err := json.Marshal(e.Data)
	if err != nil {
		t.Fatal(err)
	}
	if err := set.Check(schemas.FamilyOf(e.DataSchema), data); err != nil {
		t.Error(err)
	}
	events, records := compiledEnvelope(t, schemas.Envelope()), compiledEnvelope(t, schemas.RecordEnvelope())
	if err := validate(records, recordMessage); err != nil {
		t.Error(err)
	}
	if validate(records, message) == nil || validate(events, recordMessage) == nil {
		t.Error("an envelope accepts the message of the other")
	}
}

// The families of changes are all but that of records.
func TestChangesAreNoRecords(t *testing.T) {
	changes := schemas.Set{"b-records": nil, schemas.RecordFamily: nil, "a-webhooks": nil}.Changes()
	if diff := cmp.Diff([]string{"a-webhooks", "b-records"}, changes); diff != "" {
		t.Error(diff)
	}
}
