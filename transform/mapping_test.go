package transform_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/schemas"
	"github.com/crm-bridge/crm-bridge/schemas/cloudevent"
	"github.com/crm-bridge/crm-bridge/schemas/jsontext"
	"github.com/crm-bridge/crm-bridge/transform"
)

const family = "zoho-notifications"

func mapping(t testing.TB) *transform.Mapping {
	t.Helper()
	set, err := schemas.Load()
	if err != nil {
		t.Fatal(err)
	}
	return &transform.Mapping{Schemas: set, Redact: transform.NewRedactor(map[string]ingest.Secrets{
		family: {Names: []string{"token", "query.<secret>"}, Records: []string{"rows.values"}, Values: []string{"configured-secret", "configured-secret-2", "tok-en", `tok&en-wi"th`}, Looks: looks},
	})}
}

// looks are credentials of CRMs.
var looks = []ingest.Look{
	{Pattern: regexp.MustCompile(`()(\b1000\.[0-9A-Za-z]{8,}\.[0-9A-Za-z]{8,})`), Words: []string{"1000."}},
	{Pattern: regexp.MustCompile(`(?i)(/rest/[0-9]{1,10}/)([a-z0-9]{10,64})(?:$|[^a-z0-9.])`), Words: []string{"/rest/"}, Shaped: true},
}

func change() ingest.Change {
	return ingest.Change{
		Source: family, Provider: "zoho", Account: "default", Channel: "7", Module: "Deals", Operation: "edit", IDs: []string{"1", "2"},
		Collection: "https://crm.example/Deals", OccurredAt: time.UnixMilli(1718115953625), ReceivedAt: time.UnixMilli(1718115999000), Origin: ingest.Live,
		Fields: map[string][]string{"1": {"Stage"}, "2": {"Amount"}}, Values: map[string]json.RawMessage{"2": json.RawMessage(`{"Amount":1.10}`)},
		NativeOperation: "update", NativeBody: json.RawMessage(`{"a":1}`), Mark: "1718115953625",
	}
}

// In record mode each record has its own event, with its id, its subject and its values, in order.
func TestOneEventPerRecord(t *testing.T) {
	m := mapping(t)
	whole, err := m.Events(change())
	if err != nil || len(whole) != 1 || whole[0].Subject != "" {
		t.Fatalf("%d events: %v", len(whole), err)
	}
	m.PerRecord = true
	each, err := m.Events(change())
	if err != nil || len(each) != 2 {
		t.Fatalf("%d events: %v", len(each), err)
	}
	ids := map[string]bool{whole[0].ID: true}
	for i, e := range each {
		ids[e.ID] = true
		var data struct {
			Channel string
			IDs     []string
			Fields  map[string][]string
			Values  map[string]json.RawMessage
		}
		if err := json.Unmarshal(e.Data, &data); err != nil {
			t.Fatal(err)
		}
		if data.Channel != change().Channel {
			t.Errorf("event %d is of channel %q", i, data.Channel)
		}
		record := change().IDs[i]
		if e.Subject != record || !cmp.Equal(data.IDs, []string{record}) || len(data.Fields) != 1 || data.Fields[record] == nil {
			t.Errorf("event %d: subject %s, data %s", i, e.Subject, e.Data)
		}
		if (data.Values[record] != nil) != (record == "2") {
			t.Errorf("event %d has the values %v", i, data.Values)
		}
	}
	redriven := change()
	redriven.GivenID, redriven.Mark = "01a22b12", ""
	if each, err = m.Events(redriven); err != nil || each[0].ID != "01a22b12:1" || each[1].ID != "01a22b12:2" {
		t.Errorf("records of a redriven callback: %v %v", each, err)
	}
	if len(ids) != 3 {
		t.Errorf("ids are not their own: %v", ids)
	}
}

// A record's events share a partitionkey, whatever became of it, and another record has another, also where modules or
// accounts count from one. It comes with the mode, not with the number of records.
func TestPartitionKey(t *testing.T) {
	m := mapping(t)
	key := func(perRecord bool, spoil func(*ingest.Change)) string {
		t.Helper()
		c := change()
		c.IDs = []string{"1"}
		spoil(&c)
		m.PerRecord = perRecord
		events, err := m.Events(c)
		if err != nil || len(events) != 1 {
			t.Fatalf("%d events: %v", len(events), err)
		}
		return events[0].Extension("partitionkey")
	}
	if got := key(false, func(*ingest.Change) {}); got != "" {
		t.Errorf("with one event a callback it is %v", got)
	}
	first := key(true, func(*ingest.Change) {})
	if first != "zoho/default/Deals/1" {
		t.Errorf("it is %v", first)
	}
	later := key(true, func(c *ingest.Change) {
		c.Operation, c.Mark, c.Channel, c.Origin, c.OccurredAt = "delete", "2", "8", ingest.Repair, time.Now()
	})
	if later != first {
		t.Errorf("of the same record it is %v and %v", first, later)
	}
	for _, other := range []func(*ingest.Change){
		func(c *ingest.Change) { c.IDs = []string{"2"} },
		func(c *ingest.Change) { c.Module = "Leads" },
		func(c *ingest.Change) { c.Account = "other" },
	} {
		if key(true, other) == first {
			t.Error("another record has the same")
		}
	}
}

// A record that a callback names twice has one event. What would take more than 32 MiB of memory is malformed,
// and no record of it has an event; as one event for the callback it is fine.
func TestRecordsOfACallback(t *testing.T) {
	m := mapping(t)
	m.PerRecord = true
	c := change()
	c.IDs = []string{"2", "1", "2", "1", "3"}
	events, err := m.Events(c)
	var subjects []string
	for _, e := range events {
		subjects = append(subjects, e.Subject)
	}
	if diff := cmp.Diff([]string{"2", "1", "3"}, subjects); diff != "" || err != nil {
		t.Errorf("%v %s", err, diff)
	}
	c = change()
	c.IDs = nil
	for i := range 1024 {
		c.IDs = append(c.IDs, fmt.Sprint(i))
	}
	body := func(size int) json.RawMessage { return json.RawMessage(`{"a":"` + strings.Repeat("x", size) + `"}`) }
	c.NativeBody = body(5 << 10)
	if events, err := m.Events(c); err != nil || len(events) != 1024 {
		t.Errorf("%d events: %v", len(events), err)
	}
	c.NativeBody = body(8 << 10)
	if events, err := m.Events(c); !errors.Is(err, ingest.ErrMalformed) || !strings.Contains(err.Error(), "1024 records") || events != nil {
		t.Errorf("%d events: %v", len(events), err)
	}
	m.PerRecord = false
	if events, err := m.Events(c); err != nil || len(events) != 1 {
		t.Errorf("%d events: %v", len(events), err)
	}
}

// The attributes are the documented ones.
func TestAttributes(t *testing.T) {
	m := mapping(t)
	m.PublicURL = "https://bridge.example"
	c := change()
	c.IDs, c.TraceParent = []string{"1"}, "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	events, err := m.Events(c)
	if err != nil {
		t.Fatal(err)
	}
	e := events[0]
	want := []cloudevent.Extension{
		{Name: "crmaccount", Value: "default"},
		{Name: "crmchannel", Value: "7"},
		{Name: "crmmodule", Value: "Deals"},
		{Name: "crmoperation", Value: "edit"},
		{Name: "crmorigin", Value: "live"},
		{Name: "crmprovider", Value: "zoho"},
		{Name: "recordedtime", Value: "2024-06-11T14:26:39Z"},
		{Name: "traceparent", Value: c.TraceParent},
	}
	if diff := cmp.Diff(want, e.Extensions); diff != "" {
		t.Error(diff)
	}
	for name, pair := range map[string][2]string{
		"type": {e.Type, "crm.zoho.Deals.edit"}, "source": {e.Source, "https://crm.example/Deals"}, "subject": {e.Subject, "1"},
		"dataschema": {e.DataSchema, "https://bridge.example/schemas/v1/zoho-notifications.json"},
		"time":       {e.Time.UTC().Format(time.RFC3339Nano), "2024-06-11T14:25:53.625Z"},
	} {
		if pair[0] != pair[1] {
			t.Errorf("%s is %q, not %q", name, pair[0], pair[1])
		}
	}
	c.OccurredAt = time.Time{}
	if events, err = m.Events(c); err != nil || !events[0].Time.Equal(c.ReceivedAt) || strings.Contains(string(events[0].Data), "occurredAt") {
		t.Errorf("without a time of the CRM's: %s %v", events[0].Time, err)
	}
}

// A change that makes no valid event is malformed.
func TestEventsAreChecked(t *testing.T) {
	for name, spoil := range map[string]func(*ingest.Change){
		"no schema for it":       func(c *ingest.Change) { c.Source = "unheard-of" },
		"no ids":                 func(c *ingest.Change) { c.IDs = nil },
		"body that is no object": func(c *ingest.Change) { c.NativeBody = json.RawMessage(`[1]`) },
		"body that is not JSON":  func(c *ingest.Change) { c.NativeBody = json.RawMessage(`{"a":}`) },
		"body nested without end": func(c *ingest.Change) {
			c.NativeBody = json.RawMessage(`{"a":` + strings.Repeat("[", 200) + strings.Repeat("]", 200) + `}`)
		},
		"secret in the place of an id": func(c *ingest.Change) { c.IDs = []string{"configured-secret"} },
		"OAuth token as an id":         func(c *ingest.Change) { c.IDs = []string{"1", "1000.0123456789abcdef.configured0secret"} },
		"shown as a token, and as an id": func(c *ingest.Change) {
			c.IDs, c.NativeBody = []string{"short-1"}, json.RawMessage(`{"token":"short-1"}`)
		},
		"derived secret in an id": func(c *ingest.Change) {
			c.IDs, c.Secrets = []string{"x-derived-secret-7"}, []string{"derived-secret-7"}
		},
		"mask instead of an id": func(c *ingest.Change) { c.IDs = []string{"***"} },
		"secret as the channel": func(c *ingest.Change) { c.Channel = "x-configured-secret-x" },
	} {
		c := change()
		spoil(&c)
		if _, err := mapping(t).Events(c); !errors.Is(err, ingest.ErrMalformed) {
			t.Errorf("%s: %v", name, err)
		} else if strings.Contains(err.Error(), "configured-secret") {
			t.Errorf("%s: the error shows the secret: %v", name, err)
		}
	}
}

// No event nests deeper than jsontext.MaxDepth, whatever part of it brings the nesting.
func TestNesting(t *testing.T) {
	const event = 3 // levels around a body or a record
	for part, set := range map[string]func(*ingest.Change, json.RawMessage){
		"body": func(c *ingest.Change, raw json.RawMessage) { c.NativeBody = raw },
		"query": func(c *ingest.Change, raw json.RawMessage) {
			c.Source, c.Channel, c.NativeQuery = "zoho-webhooks", "", raw
		},
		"xml": func(c *ingest.Change, raw json.RawMessage) {
			c.Source, c.Channel, c.NativeXML = "zoho-webhooks", "", raw
		},
		"values": func(c *ingest.Change, raw json.RawMessage) {
			c.Values = map[string]json.RawMessage{"2": raw}
		},
	} {
		for levels, want := range map[int]bool{jsontext.MaxDepth - event: true, jsontext.MaxDepth - event + 1: false, jsontext.MaxDepth + 1: false, 10000: false} {
			c := change()
			c.Fields, c.Values = nil, nil
			set(&c, json.RawMessage(`{"a":`+strings.Repeat("[", levels-1)+strings.Repeat("]", levels-1)+`}`))
			events, err := mapping(t).Events(c)
			if (err == nil) != want || err != nil && !errors.Is(err, ingest.ErrMalformed) {
				t.Errorf("%d levels in %s: %v", levels, part, err)
			}
			if err != nil {
				continue
			}
			text, err := json.Marshal(map[string]json.RawMessage{"data": events[0].Data})
			if deepest := jsontext.Check(text); err != nil || deepest != nil {
				t.Errorf("%d levels in %s: %v, %v", levels, part, err, deepest)
			}
		}
	}
}
