package ingesttest

import (
	"bytes"
	"encoding/json"
	"flag"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/schemas"
	"github.com/crm-bridge/crm-bridge/schemas/cloudevent"
	"github.com/crm-bridge/crm-bridge/transform"
)

// Update says that files with expected output are to be rewritten.
var Update = flag.Bool("update", false, "rewrite the files with expected output")

// arrival is when the examples arrived.
var arrival = time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)

// example is an example of a schema.
type example struct {
	schemas.Change
	data json.RawMessage
}

// examples checks that every example of every schema of the CRM is what the bridge makes of a callback, or of a row of a list,
// that holds what the example says came. The first of each, as a whole event, stands in the AsyncAPI document.
func examples(t *testing.T, crm *ingest.CRM, lister func(*testing.T, schemas.Change) ingest.Lister) {
	m := mapping(t, crm)
	for _, source := range crm.Sources {
		checkFamily(t, m, source.Label(), func(e example) ([]ingest.Change, error) { return source.Decode(callback(t, source, e)) })
	}
	if lister != nil {
		checkFamily(t, m, crm.RecordsLabel(), func(e example) ([]ingest.Change, error) { return listed(t, lister(t, e.Change), e) })
	}
}

func checkFamily(t *testing.T, m *transform.Mapping, family string, again func(example) ([]ingest.Change, error)) {
	t.Helper()
	_, raw, ok := m.Schemas.Document(schemas.Path(family))
	if !ok {
		t.Fatalf("there is no schemas/v1/%s.json", family)
	}
	var document struct{ Examples []json.RawMessage }
	if err := json.Unmarshal(raw, &document); err != nil || len(document.Examples) == 0 {
		t.Fatalf("%s has no examples: %v", family, err)
	}
	for i, data := range document.Examples {
		e := example{data: data}
		if err := json.Unmarshal(data, &e.Change); err != nil {
			t.Fatal(err)
		}
		changes, err := again(e)
		if err != nil || len(changes) != 1 {
			t.Errorf("%s: example %d becomes %d changes: %v", family, i, len(changes), err)
			continue
		}
		changes[0].ReceivedAt = arrival // a record's is the time of its reading
		events, err := m.Events(changes[0])
		if err != nil || len(events) != 1 {
			t.Fatalf("%s: example %d becomes %d events: %v", family, i, len(events), err)
		}
		if diff := cmp.Diff(numbered(t, data), numbered(t, events[0].Data)); diff != "" {
			t.Errorf("%s: example %d: %s", family, i, diff)
		}
		if i == 0 {
			isInDocument(t, family, events[0])
		}
	}
}

// callback is what the CRM sent where an example became of it: text, a form whose names have brackets, or JSON.
func callback(t *testing.T, source ingest.Source, e example) ingest.Callback {
	t.Helper()
	cb := ingest.Callback{
		Source: source.Label(), At: arrival, Method: http.MethodPost, Path: source.Routes()[0].Path,
		Params: map[string]string{"module": e.Module, "operation": e.Native.Operation}, Query: values(t, e.Native.Query),
		Header: http.Header{"Content-Type": {"application/json"}}, Body: e.Native.Body,
	}
	for name, value := range cb.Params {
		cb.Path = strings.ReplaceAll(cb.Path, "{"+name+"}", value)
	}
	cb.RawQuery = cb.Query.Encode()
	var text string
	switch {
	case json.Unmarshal(e.Native.Body, &text) == nil:
		cb.Body, cb.Header = []byte(text), http.Header{"Content-Type": {"text/xml"}}
	case bytes.Contains(e.Native.Body, []byte(`]":`)):
		cb.Body, cb.Header = []byte(values(t, e.Native.Body).Encode()), http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}
	}
	return cb
}

// values reads an object of names and values.
func values(t *testing.T, object json.RawMessage) url.Values {
	t.Helper()
	all := url.Values{}
	if object == nil {
		return all
	}
	var members map[string]string
	if err := json.Unmarshal(object, &members); err != nil {
		t.Fatal(err)
	}
	for name, value := range members {
		all.Set(name, value)
	}
	return all
}

func listed(t *testing.T, lister ingest.Lister, e example) ([]ingest.Change, error) {
	t.Helper()
	query := ingest.Query{Account: e.Account, Module: e.Module, Since: e.OccurredAt.Add(-time.Minute), Until: e.OccurredAt.Add(time.Minute), Origin: ingest.Backfill}
	var all []ingest.Change
	for page, err := range lister.Changed(t.Context(), query) {
		if err != nil {
			return nil, err
		}
		all = append(all, page.Changes...)
	}
	return all, nil
}

// isInDocument holds an event against the one that the document shows of its family.
func isInDocument(t *testing.T, family string, e cloudevent.Event) {
	t.Helper()
	if len(e.ID) == 36 {
		e.ID = "01a1ffe7-d82c-74e0-96a6-c3120620e684" // it is another one each time
	}
	var want bytes.Buffer
	if err := json.Indent(&want, e.AppendJSON(nil), "", "  "); err != nil {
		t.Fatal(err)
	}
	want.WriteByte('\n')
	path := filepath.Join("../../schemas/asyncapi/examples", family+".json")
	if *Update {
		if err := os.WriteFile(path, want.Bytes(), 0o644); err != nil { //nolint:gosec // as the files of a repository are
			t.Fatal(err)
		}
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want.String(), string(got)); diff != "" {
		t.Errorf("%s is another event (go test -run CRM -update): %s", path, diff)
	}
}

// numbered is a JSON text as values, with every digit of its numbers.
func numbered(t *testing.T, text []byte) any {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		t.Fatal(err)
	}
	return value
}
