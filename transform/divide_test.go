package transform_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/transform"
)

// In record mode the native body keeps only the record's own part of divided members; everything else stays.
func TestNativeBodyOfARecord(t *testing.T) {
	m := mapping(t)
	m.PerRecord = true
	c := change()
	c.IDs, c.Fields, c.Values = []string{"1", "22", "5725767000003000010"}, nil, nil
	c.Divided = []string{"ids", "affected_fields", "affected_values", "not there", "other"}
	c.NativeBody = json.RawMessage(`{"a":[1,2], "ids":["1",22,"5725767000003000010","9"],"token":"a-token-of-some-length","other":"[no list]",
		"affected_fields":[{"1":["A","see a-token-of-some-length"],"22":["B"]},{"5725767000003000010":[]},{}, null],
		"affected_values":[{"record_id":22,"values":{"a":[{"b":1.10}]}},{"Record_ID":"1","values":{"c":"]}"}},{"record_id":"1","values":null},{"values":{}}],"z":{"ids":["1","22"]}}`)
	c.NativeQuery = json.RawMessage(`{"ids":["22","1"],"x":"y"}`)
	events, err := m.Events(c)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []string{
		`"body":{"a":[1,2],"ids":["1"],"other":"[no list]","affected_fields":[{"1":["A","see ***"]}],"affected_values":[{"Record_ID":"1","values":{"c":"]}"}},{"record_id":"1","values":null}],"z":{"ids":["1","22"]}},"query":{"ids":["1"],"x":"y"}`,
		`"body":{"a":[1,2],"ids":[22],"other":"[no list]","affected_fields":[{"22":["B"]}],"affected_values":[{"record_id":22,"values":{"a":[{"b":1.10}]}}],"z":{"ids":["1","22"]}},"query":{"ids":["22"],"x":"y"}`,
		`"body":{"a":[1,2],"ids":["5725767000003000010"],"other":"[no list]","affected_fields":[{"5725767000003000010":[]}],"affected_values":[],"z":{"ids":["1","22"]}},"query":{"ids":[],"x":"y"}`,
	} {
		var data struct{ Native json.RawMessage }
		if err := json.Unmarshal(events[i].Data, &data); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(`{"operation":"update",`+want+`}`, string(data.Native)); diff != "" {
			t.Error(diff)
		}
	}
	m.PerRecord = false
	if events, err = m.Events(c); err != nil || !strings.Contains(string(events[0].Data), `"ids":["1",22,"5725767000003000010","9"]`) {
		t.Errorf("with one event a callback: %s %v", events[0].Data, err)
	}
}

// Thirty records of a megabyte take a few megabytes, not thirty; and so do five thousand.
func TestRecordsShareTheCallback(t *testing.T) {
	m := mapping(t)
	m.PerRecord = true
	for _, records := range []int{30, 5_000} {
		c := change()
		c.IDs, c.Fields, c.Values = nil, map[string][]string{}, map[string]json.RawMessage{}
		var ids, fields, values []string
		for i := range records {
			id := fmt.Sprint(5725767000003000000 + i)
			value := `{"Description":"` + strings.Repeat("x", (1<<20)/records-100) + `"}`
			c.IDs, c.Values[id], c.Fields[id] = append(c.IDs, id), json.RawMessage(value), []string{"Description"}
			ids, fields = append(ids, `"`+id+`"`), append(fields, `{"`+id+`":["Description"]}`)
			values = append(values, `{"record_id":"`+id+`","values":`+value+`}`)
		}
		c.Divided = []string{"ids", "affected_fields", "affected_values"}
		c.NativeBody = json.RawMessage(`{"ids":[` + strings.Join(ids, ",") + `],"affected_fields":[` + strings.Join(fields, ",") + `],"affected_values":[` + strings.Join(values, ",") + `]}`)
		var before, after runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&before)
		events, err := m.Events(c)
		if err != nil || len(events) != records {
			t.Fatalf("%d events of %d records: %v", len(events), records, err)
		}
		runtime.GC()
		runtime.ReadMemStats(&after)
		held := 0
		for _, e := range events {
			held += len(e.Data)
		}
		if grown := int(after.HeapAlloc) - int(before.HeapAlloc); held > 12<<20 || grown > 48<<20 {
			t.Errorf("the events of %d records are %d KiB, and hold %d KiB", records, held>>10, grown>>10)
		}
		runtime.KeepAlive(events)
	}
}

// The fields of thousands of records may stand in one object: what is made of them grows with their number, not with its square.
func TestRecordsOfOneObject(t *testing.T) {
	m := mapping(t)
	m.PerRecord = true
	c := change()
	c.IDs, c.Fields, c.Values, c.Divided = nil, nil, nil, []string{"affected_fields"}
	var fields []string
	for i := range 5_000 {
		c.IDs = append(c.IDs, fmt.Sprint(i))
		fields = append(fields, fmt.Sprintf(`"%d":["Stage"]`, i))
	}
	c.NativeBody = json.RawMessage(`{"affected_fields":[{` + strings.Join(fields, ",") + `}]}`)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	events, err := m.Events(c)
	runtime.ReadMemStats(&after)
	if err != nil || !strings.Contains(string(events[4_999].Data), `"body":{"affected_fields":[{"4999":["Stage"]}]}`) {
		t.Fatalf("%.300s %v", events, err)
	}
	if made := after.TotalAlloc - before.TotalAlloc; made > 64<<20 {
		t.Errorf("they took %d MiB", made>>20)
	}
}

// What does not belong to a record is held once for each: too much of it is rejected before any event is made.
func TestRecordsThatWouldTakeTooMuch(t *testing.T) {
	m := mapping(t)
	m.PerRecord = true
	c := change()
	c.IDs = nil
	for i := range 30 {
		c.IDs = append(c.IDs, fmt.Sprint(i))
	}
	c.Divided = []string{"ids"}
	c.NativeBody = json.RawMessage(`{"note":"` + strings.Repeat("x", 1<<20) + `"}`)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	events, err := m.Events(c)
	runtime.ReadMemStats(&after)
	if !errors.Is(err, ingest.ErrMalformed) || events != nil {
		t.Errorf("%d events: %v", len(events), err)
	}
	if made := after.TotalAlloc - before.TotalAlloc; made > 16<<20 {
		t.Errorf("refusing it took %d MiB", made>>20)
	}
}

// A callback that shows thousands of secrets is quarantined without them.
func TestQuarantineOfManySecrets(t *testing.T) {
	r := mapping(t).Redact
	var body strings.Builder
	body.WriteString(`{`)
	for i := range 4_000 {
		fmt.Fprintf(&body, `"token":"planted-number-%d","query":{"my_secret_%d":"planted-%d"},`, i, i, i)
	}
	body.WriteString(`"a":"kept"}`)
	cb := ingest.Callback{Source: family, Method: http.MethodPost, Path: "/x", Header: http.Header{}, Body: []byte(body.String())}
	if _, err := r.Redacted(family, cb.Body); err == nil {
		t.Error("it became an event")
	}
	kept, err := r.Quarantine("id", cb, errors.New("a test"))
	if err != nil || strings.Contains(string(kept), "planted") || !strings.Contains(string(kept), "kept") {
		t.Errorf("%.300s %v", kept, err)
	}
	var q transform.Quarantined
	if err := json.Unmarshal(kept, &q); err != nil || !json.Valid([]byte(q.Body)) {
		t.Errorf("%v", err)
	}
}
