package hubspot_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/hubspot"
	"github.com/crm-bridge/crm-bridge/ingest/ingesttest"
	"github.com/crm-bridge/crm-bridge/schemas"
	"github.com/crm-bridge/crm-bridge/transform"
)

func mapping(t testing.TB) *transform.Mapping {
	t.Helper()
	set, err := schemas.Load()
	if err != nil {
		t.Fatal(err)
	}
	return &transform.Mapping{Schemas: set, Redact: transform.NewRedactor(open(t).Secrets()), PublicURL: public}
}

// Each list becomes the events that its golden file has, in order.
func TestGoldenEvents(t *testing.T) {
	source, m := open(t).Sources[0], mapping(t)
	for _, name := range []string{"webhook-batch", "webhook-special"} {
		changes, err := source.Decode(callback(string(read(t, name+".json"))))
		if err != nil {
			t.Fatal(err)
		}
		var all []json.RawMessage
		for _, change := range changes {
			events, err := m.Events(change)
			if err != nil || len(events) != 1 {
				t.Fatalf("%d events: %v", len(events), err)
			}
			all = append(all, events[0].AppendJSON(nil))
		}
		golden := filepath.Join("testdata", name+".events.json")
		got := indented(t, all)
		if *ingesttest.Update {
			if err := os.WriteFile(golden, got, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff(string(read(t, name+".events.json")), string(got)); diff != "" {
			t.Errorf("%s (go test -update): %s", golden, diff)
		}
	}
}

// event is an event of a portal, whose members may be replaced.
func event(portal, record int, more string) string {
	return fmt.Sprintf(`{"eventId":1,"subscriptionId":2,"portalId":%d,"occurredAt":1796040000123,"subscriptionType":"contact.creation","objectId":%d%s}`, portal, record, more)
}

// records are the ids of changes, in order.
func records(changes []ingest.Change) (ids []string) {
	for _, change := range changes {
		ids = append(ids, change.IDs...)
	}
	return ids
}

// Of a list with bad events the good ones are decoded in order, and each bad one is a part that can be decoded again by itself.
func TestBadEventsAreParts(t *testing.T) {
	source := open(t).Sources[0]
	deep := `{"eventId":1,"portalId":1,"subscriptionType":"contact.creation","objectId":1,"x":` + strings.Repeat("[", 200) + strings.Repeat("]", 200) + `}`
	for name, bad := range map[string]string{
		"no object":            `7`,
		"null":                 `null`,
		"a list":               `[]`,
		"a list of an event":   `[` + event(1, 12, "") + `]`,
		"no portal":            `{"eventId":1,"subscriptionType":"contact.creation","objectId":1}`,
		"a portal of words":    `{"portalId":"acme","subscriptionType":"contact.creation","objectId":1}`,
		"no type":              `{"portalId":1,"objectId":1}`,
		"a type without a dot": event(1, 1, `,"subscriptionType":"contact"`),
		"two dots":             event(1, 1, `,"subscriptionType":"contact.creation.x"`),
		"a module with spaces": event(1, 1, `,"subscriptionType":"my contact.creation"`),
		"no object type":       event(1, 1, `,"subscriptionType":"object.creation"`),
		"no record":            event(1, 1, `,"objectId":null`),
		"half a record":        event(1, 1, `,"objectId":1.5`),
		"a merge field":        event(1, 1, `,"objectId":"${contact.id}"`),
		"too deep":             deep,
	} {
		changes, err := source.Decode(callback("[" + event(1, 10, "") + "," + bad + "," + event(1, 11, "") + "]"))
		var partly ingest.Partly
		if !errors.As(err, &partly) || !errors.Is(err, ingest.ErrMalformed) || len(partly) != 1 || !strings.Contains(string(partly[0].Body), bad) {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if name == "no object type" && !strings.Contains(partly[0].Reason.Error(), "objectTypeId is missing") {
			t.Errorf("%s: its reason names no member of it: %v", name, partly[0].Reason)
		}
		if got := records(changes); !slices.Equal(got, []string{"10", "11"}) {
			t.Errorf("%s: the others are %v", name, got)
		}
		if again, err := source.Decode(callback(string(partly[0].Body))); !errors.Is(err, ingest.ErrMalformed) || len(again) > 0 {
			t.Errorf("%s: by itself it is not malformed: %+v", name, again)
		}
	}
	for name, body := range map[string]string{"empty": "", "cut": "[" + event(1, 10, ""), "text": `"contact"`, "XML": "<a/>", "too many": "[" + strings.Repeat("1,", 1000) + "1]"} {
		if changes, err := source.Decode(callback(body)); !errors.Is(err, ingest.ErrMalformed) || len(changes) > 0 {
			t.Errorf("%s: %v", name, err)
		}
	}
	for body, want := range map[string]int{"[]": 0, event(1, 10, ""): 1, "[" + strings.TrimSuffix(strings.Repeat(event(1, 10, "")+",", 1000), ",") + "]": 1000} {
		if changes, err := source.Decode(callback(body)); err != nil || len(changes) != want {
			t.Errorf("%.20s: %d changes, %v", body, len(changes), err)
		}
	}
}

// Only events of portals that are configured are accepted; a callback of others alone is ignored.
func TestPortals(t *testing.T) {
	source := &hubspot.Webhooks{Portals: ingest.AccountIDs{"44001122", "55003344"}}
	changes, err := source.Decode(callback("[" + event(44001122, 1, "") + "," + event(666, 2, "") + "," + event(55003344, 3, "") + "]"))
	if got := records(changes); err != nil || !slices.Equal(got, []string{"1", "3"}) || changes[0].Account != "44001122" || changes[1].Account != "55003344" {
		t.Errorf("%v, %v", got, err)
	}
	if changes, err := source.Decode(callback("[" + event(666, 2, "") + "]")); !errors.Is(err, ingest.ErrIgnored) || !strings.HasSuffix(err.Error(), "BRIDGE_HUBSPOT_PORTALS does not name 666") || len(changes) > 0 {
		t.Errorf("%v, %v", changes, err)
	}
	for body, portal := range map[string]string{"[" + event(55003344, 3, "") + ",1]": "55003344", event(666, 1, ""): "666", "[]": "", "[1]": "", "": ""} {
		if got := source.AccountOf(callback(body)); got != portal {
			t.Errorf("%s is of portal %q", body, got)
		}
	}
	var partly ingest.Partly
	if _, err := source.Decode(callback("[" + event(666, 2, "") + ",1]")); !errors.As(err, &partly) || len(partly) != 1 {
		t.Errorf("%v", err)
	}
}

// A repeated delivery has the same ids, and no two other events have, however little they differ.
func TestMarks(t *testing.T) {
	source, m := open(t).Sources[0], mapping(t)
	id := func(body string) string {
		t.Helper()
		changes, err := source.Decode(callback(body))
		if err != nil || len(changes) != 1 {
			t.Fatal(err)
		}
		events, err := m.Events(changes[0])
		if err != nil {
			t.Fatal(err)
		}
		return events[0].ID
	}
	if id(event(1, 1, `,"attemptNumber":0`)) != id(event(1, 1, `,"attemptNumber":7`)) {
		t.Error("another attempt has another id")
	}
	seen := map[string]string{}
	for _, more := range []string{
		"", `,"eventId":2`, `,"subscriptionId":3`, `,"portalId":2`, `,"objectId":2`, `,"occurredAt":1796040000124`, `,"subscriptionType":"deal.creation"`, `,"subscriptionType":"contact.deletion"`,
		`,"propertyName":"a"`, `,"propertyName":"b"`, `,"messageId":"m"`, `,"subscriptionType":"contact.associationChange","fromObjectId":1,"toObjectId":2`,
		`,"subscriptionType":"contact.associationChange","fromObjectId":1,"toObjectId":3`, `,"subscriptionType":"contact.associationChange","fromObjectId":1,"toObjectId":2,"associationTypeId":14`,
	} {
		one := id(event(1, 1, more))
		if other, ok := seen[one]; ok {
			t.Errorf("%q and %q have one id", more, other)
		}
		seen[one] = more
	}
	for _, unmarked := range []string{`,"eventId":null`, `,"occurredAt":null`, `,"subscriptionId":null`} {
		body := event(1, 1, unmarked)
		if one := id(body); one == id(body) {
			t.Errorf("%s: two deliveries have one id, although nothing tells them apart", unmarked)
		}
	}
}

// An event or a list that nests too deep is authenticated and malformed.
func TestNesting(t *testing.T) {
	crm := open(t)
	m := mapping(t)
	ingesttest.Nesting(t, crm.Sources[0], func(value string) ingest.Callback {
		cb := callback(event(1, 1, `,"x":`+value))
		if err := crm.Sources[0].(ingest.Signer).Sign(&cb, public+path, ""); err != nil {
			t.Fatal(err)
		}
		return cb
	}, func(change ingest.Change) (all [][]byte, err error) {
		events, err := m.Events(change)
		for _, e := range events {
			all = append(all, e.Data)
		}
		return all, err
	})
}

// The value of a sensitive property is not told, whatever stands in its place; that of another is verbatim.
func TestSensitiveValues(t *testing.T) {
	source := open(t).Sources[0]
	for more, want := range map[string]string{
		`,"propertyName":"a","propertyValue":"1.10 <b>"`:              `{"a":"1.10 <b>"}`,
		`,"propertyName":"a","propertyValue":"","isSensitive":false`:  `{"a":""}`,
		`,"propertyName":"a","propertyValue":12345678901234567890.10`: `{"a":12345678901234567890.10}`,
		`,"propertyName":"a","propertyValue":"x","isSensitive":true`:  "",
		`,"propertyName":"a","propertyValue":"REDACTED"`:              "",
		`,"propertyName":"a"`: "",
		`,"propertyName":"a","propertyValue":null,"isSensitive":false`: "",
	} {
		changes, err := source.Decode(callback(event(1, 7, more)))
		if err != nil || string(changes[0].Values["7"]) != want || !slices.Equal(changes[0].Fields["7"], []string{"a"}) {
			t.Errorf("%s: %+v, %v", more, changes, err)
		}
	}
}
