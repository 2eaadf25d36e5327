package schemas_test

import (
	"bytes"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/crm-bridge/crm-bridge/schemas"
)

// decoded returns a JSON text as values, with every digit of its numbers.
func decoded(t testing.TB, text []byte) any {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	var value any
	if err := decoder.Decode(&value); err != nil {
		t.Fatal(err)
	}
	return value
}

// A Change preserves the data of every golden event and every example: no member is unknown, no digit changes, and what is absent
// stays absent.
func TestChangesLoseNothing(t *testing.T) {
	set, err := schemas.Load()
	if err != nil {
		t.Fatal(err)
	}
	all := golden(t, set)
	for _, family := range set.Changes() {
		for _, data := range all[family] {
			var change schemas.Change
			if err := json.Unmarshal(data, &change); err != nil {
				t.Fatalf("%s: %v\n%s", family, err, data)
			}
			again, err := json.Marshal(change)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(decoded(t, data), decoded(t, again)); diff != "" {
				t.Errorf("%s: %s", family, diff)
			}
		}
	}
}

// An Event preserves every golden event, and the schema of the envelope accepts it.
func TestEventsLoseNothing(t *testing.T) {
	paths, err := filepath.Glob("../ingest/*/testdata/*.event.json")
	if err != nil || len(paths) < 10 {
		t.Fatalf("%d golden events: %v", len(paths), err)
	}
	set, err := schemas.Load()
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var e schemas.Event
		if err := json.Unmarshal(text, &e); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		again, err := json.Marshal(e)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(decoded(t, text), decoded(t, again)); diff != "" {
			t.Errorf("%s: %s", path, diff)
		}
		if err := validate(compiledEnvelope(t, schemas.Envelope()), text); err != nil {
			t.Errorf("%s: %v", path, err)
		}
		if _, known := set[schemas.FamilyOf(e.DataSchema)]; !known {
			t.Errorf("%s: dataschema %s is of the family %q", path, e.DataSchema, schemas.FamilyOf(e.DataSchema))
		}
	}
}

// The examples of this package decode a valid event.
func TestExampleMessageIsAnEvent(t *testing.T) {
	set, err := schemas.Load()
	if err != nil {
		t.Fatal(err)
	}
	var e struct{ Data json.RawMessage }
	if err := json.Unmarshal(message, &e); err != nil {
		t.Fatal(err)
	}
	if err := set.Check("zoho-notifications", e.Data); err != nil {
		t.Error(err)
	}
	if err := validate(compiledEnvelope(t, schemas.Envelope()), message); err != nil {
		t.Error(err)
	}
}

// A dataschema is a URN or a URL of a bridge; any other has no family.
func TestFamilyOf(t *testing.T) {
	for dataSchema, want := range map[string]string{
		"urn:crm-bridge:schema:v1:zoho-notifications":                "zoho-notifications",
		"https://crm.example.com/schemas/v1/bitrix24-records.json":   "bitrix24-records",
		"urn:crm-bridge:schema:v1:record":                            schemas.RecordFamily,
		"https://crm.example.com/schemas/v1/record.json":             schemas.RecordFamily,
		"https://example.com/behind/a/path/schemas/v1/new-crm.json":  "new-crm",
		"https://crm.example.com/schemas/v2/zoho-notifications.json": "",
		"https://crm.example.com/zoho-notifications.json":            "",
		"": "",
	} {
		if got := schemas.FamilyOf(dataSchema); got != want {
			t.Errorf("%s is of the family %q, not %q", dataSchema, got, want)
		}
	}
}

// shape is the part of a schema that a Go type can express too.
type shape struct {
	Type                 any // a name, or a list of names
	Const, Format        string
	Items                *shape
	AdditionalProperties *shape
	Properties           map[string]*shape
	Required             []string
}

// Every member of a schema has a field of its kind, every field is in a schema, and a field is omitted when zero unless every family
// requires it.
func TestTypesAgreeWithSchemas(t *testing.T) {
	set, err := schemas.Load()
	if err != nil {
		t.Fatal(err)
	}
	var changes, natives []*shape
	for _, family := range set.Changes() {
		_, raw, _ := set.Document(schemas.Path(family))
		one := read(t, raw)
		changes, natives = append(changes, one), append(natives, one.Properties["native"])
	}
	agree(t, reflect.TypeFor[schemas.Change](), changes)
	agree(t, reflect.TypeFor[schemas.Native](), natives)
	agree(t, reflect.TypeFor[schemas.Event](), []*shape{read(t, schemas.Envelope())})

	_, raw, _ := set.Document(schemas.Path(schemas.RecordFamily))
	record := read(t, raw)
	agree(t, reflect.TypeFor[schemas.Record](), []*shape{record})
	agree(t, reflect.TypeFor[schemas.Cause](), []*shape{record.Properties["causes"].Items})
	agree(t, reflect.TypeFor[schemas.RecordEvent](), []*shape{read(t, schemas.RecordEnvelope())})
}

func read(t *testing.T, raw []byte) *shape {
	t.Helper()
	var s shape
	if err := json.Unmarshal(raw, &s); err != nil {
		t.Fatal(err)
	}
	return &s
}

func agree(t *testing.T, structure reflect.Type, families []*shape) {
	t.Helper()
	fields := map[string]reflect.StructField{}
	for i := range structure.NumField() {
		name, _, _ := strings.Cut(structure.Field(i).Tag.Get("json"), ",")
		fields[name] = structure.Field(i)
	}
	inSome := map[string]bool{}
	for _, family := range families {
		for name, property := range family.Properties {
			inSome[name] = true
			if field, ok := fields[name]; !ok {
				t.Errorf("%s has no field for %s", structure, name)
			} else if !fits(field.Type, property) {
				t.Errorf("%s.%s is a %s, which is not what the schema says of %s", structure, field.Name, field.Type, name)
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(fields)) {
		if !inSome[name] {
			t.Errorf("%s.%s is in no schema", structure, fields[name].Name)
		}
		always := !slices.ContainsFunc(families, func(family *shape) bool { return !slices.Contains(family.Required, name) })
		if written := !strings.Contains(fields[name].Tag.Get("json"), ",omitzero"); written != always {
			t.Errorf("%s.%s is always written: %t; required by every schema: %t", structure, fields[name].Name, written, always)
		}
	}
}

func fits(field reflect.Type, s *shape) bool {
	switch field {
	case reflect.TypeFor[string]():
		return s.Const != "" || s.Type == "string" && s.Format == ""
	case reflect.TypeFor[time.Time]():
		return s.Type == "string" && s.Format == "date-time"
	case reflect.TypeFor[[]string]():
		return s.Type == "array" && s.Items != nil && s.Items.Type == "string"
	case reflect.TypeFor[map[string][]string]():
		return s.AdditionalProperties != nil && s.AdditionalProperties.Items != nil && s.AdditionalProperties.Items.Type == "string"
	case reflect.TypeFor[map[string]json.RawMessage]():
		return s.AdditionalProperties != nil && s.AdditionalProperties.Type == "object"
	case reflect.TypeFor[json.RawMessage]():
		return s.Properties == nil && (s.Type == nil || s.Type == "object" || reflect.DeepEqual(s.Type, []any{"object", "null"}))
	case reflect.TypeFor[schemas.Native](), reflect.TypeFor[schemas.Change](), reflect.TypeFor[schemas.Record]():
		return s.Type == "object"
	case reflect.TypeFor[[]schemas.Cause]():
		return s.Type == "array" && s.Items != nil && s.Items.Type == "object"
	case reflect.TypeFor[uint64]():
		return s.Type == "number"
	}
	return false
}

// docs/events.md names every member of an event and of its data, and a page every family.
func TestDocsNameEverything(t *testing.T) {
	text, err := os.ReadFile("../docs/events.md")
	if err != nil {
		t.Fatal(err)
	}
	docs := string(text)
	pages, err := filepath.Glob("../docs/*.md")
	if err != nil {
		t.Fatal(err)
	}
	var all strings.Builder
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		all.Write(text)
	}
	var named func(before string, s *shape)
	named = func(before string, s *shape) {
		for name, property := range s.Properties {
			if !strings.Contains(docs, "`"+before+name+"`") && name != "native" && name != "data" {
				t.Errorf("docs/events.md does not name %s", before+name)
			}
			named(before+name+".", property)
		}
	}
	for name, text := range current(t) {
		if family, _ := strings.CutSuffix(name, ".json"); !strings.Contains(all.String(), "`"+family+"`") && family != "event" && family != "record-event" {
			t.Errorf("no page of docs names %s", family)
		}
		named("", read(t, text))
	}
}
