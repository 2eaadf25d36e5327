package schemas_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/crm-bridge/crm-bridge/schemas"
	"github.com/crm-bridge/crm-bridge/schemas/jsontext"
)

// reference compiles the documents that are served with a JSON Schema library. With times set, times are those of RFC 3339 that Go
// parses, a subset of what the library accepts.
func reference(t testing.TB, set schemas.Set, times bool) map[string]*jsonschema.Schema {
	t.Helper()
	compiler := jsonschema.NewCompiler()
	if times {
		compiler.RegisterFormat(&jsonschema.Format{Name: "date-time", Validate: func(v any) error {
			if s, ok := v.(string); ok {
				return new(time.Time).UnmarshalText([]byte(s))
			}
			return nil
		}})
	}
	compiler.AssertFormat()
	compiled := map[string]*jsonschema.Schema{}
	for family := range set {
		_, raw, _ := set.Document(schemas.Path(family))
		document, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
		if err != nil {
			t.Fatal(err)
		}
		if err := compiler.AddResource(schemas.URN(family), document); err != nil {
			t.Fatal(err)
		}
		if compiled[family], err = compiler.Compile(schemas.URN(family)); err != nil {
			t.Fatal(err)
		}
	}
	return compiled
}

// compiledEnvelope is an envelope's schema, compiled by the library.
func compiledEnvelope(t testing.TB, envelope []byte) *jsonschema.Schema {
	t.Helper()
	document, err := jsonschema.UnmarshalJSON(bytes.NewReader(envelope))
	if err != nil {
		t.Fatal(err)
	}
	compiler := jsonschema.NewCompiler()
	compiler.AssertFormat()
	if err := compiler.AddResource("urn:envelope", document); err != nil {
		t.Fatal(err)
	}
	compiled, err := compiler.Compile("urn:envelope")
	if err != nil {
		t.Fatal(err)
	}
	return compiled
}

func validate(schema *jsonschema.Schema, data []byte) error {
	value, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
	if err != nil {
		return err
	}
	return schema.Validate(value)
}

// golden returns the data of the events in the golden files of all sources, and the examples of the schemas.
func golden(t testing.TB, set schemas.Set) map[string][][]byte {
	t.Helper()
	paths, err := filepath.Glob("../ingest/*/testdata/*.event.json")
	if err != nil || len(paths) < 10 {
		t.Fatalf("%d golden events: %v", len(paths), err)
	}
	all := map[string][][]byte{}
	for _, path := range paths {
		raw, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var event struct {
			DataSchema string
			Data       json.RawMessage
		}
		if err := json.Unmarshal(raw, &event); err != nil {
			t.Fatal(err)
		}
		family := event.DataSchema[strings.LastIndexByte(event.DataSchema, ':')+1:]
		all[family] = append(all[family], event.Data)
	}
	for family := range set {
		_, raw, _ := set.Document(schemas.Path(family))
		var document struct{ Examples []json.RawMessage }
		if err := json.Unmarshal(raw, &document); err != nil {
			t.Fatal(err)
		}
		for _, example := range document.Examples {
			all[family] = append(all[family], example)
		}
	}
	return all
}

// The check agrees with a JSON Schema library on the golden events, and on each with any one value replaced, removed or added, and
// names a place that the library names.
func TestCheckAgrees(t *testing.T) {
	set, err := schemas.Load()
	if err != nil {
		t.Fatal(err)
	}
	compiled := reference(t, set, false)
	rejected := 0
	for family, all := range golden(t, set) {
		for _, data := range all {
			value, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
			if err != nil {
				t.Fatal(err)
			}
			mutate(value, func() {
				text, err := json.Marshal(value)
				if err != nil {
					t.Fatal(err)
				}
				theirs, mine := compiled[family].Validate(value), set.Check(family, text)
				if (theirs == nil) != (mine == nil) {
					t.Errorf("%s\nmine: %v\ntheirs: %v", text, mine, theirs)
				}
				if mine == nil || theirs == nil {
					return
				}
				rejected++
				if place, _, _ := strings.Cut(mine.Error(), "': "); !strings.Contains(theirs.Error(), strings.TrimPrefix(place, "at '")+"':") {
					t.Errorf("%s\nmine: %v\ntheirs: %v", text, mine, theirs)
				}
			})
		}
	}
	if rejected < 1000 {
		t.Errorf("only %d mutations were rejected", rejected)
	}
}

// mutate calls with for value, and for every change of one value in it.
func mutate(value any, with func()) {
	with()
	others := func(set func(any)) {
		for _, other := range []any{
			nil, true, json.Number("0"), json.Number("-1.50e+10"), "", "x", "ä~/\"\\\u2028", strings.Repeat("x", 101), "2024-02-30T00:00:00Z", "2024-02-29T00:00:00.1+01:30",
			[]any{},
			[]any{""},
			[]any{"x", nil},
			map[string]any{},
			map[string]any{"": nil},
			map[string]any{"operation": "x", "body": map[string]any{}},
		} {
			set(other)
			with()
		}
	}
	switch v := value.(type) {
	case map[string]any:
		for _, name := range slices.Sorted(maps.Keys(v)) {
			kept := v[name]
			mutate(kept, with)
			others(func(other any) { v[name] = other })
			delete(v, name)
			with()
			v[name] = kept
		}
		v["a/b~c"] = nil
		with()
		delete(v, "a/b~c")
	case []any:
		for i, kept := range v {
			mutate(kept, with)
			others(func(other any) { v[i] = other })
			v[i] = kept
		}
	}
}

// The check agrees with a JSON Schema library on any bytes, except for duplicate members: here each is checked.
func FuzzCheck(f *testing.F) {
	set, err := schemas.Load()
	if err != nil {
		f.Fatal(err)
	}
	families := slices.Sorted(maps.Keys(set))
	for family, all := range golden(f, set) {
		for _, data := range all {
			f.Add(uint8(slices.Index(families, family)), data)
		}
	}
	strict, full := reference(f, set, true), reference(f, set, false)
	f.Fuzz(func(t *testing.T, n uint8, data []byte) {
		family := families[int(n)%len(families)]
		if set.Check(family, data) == nil {
			if err := validate(full[family], data); err != nil {
				t.Fatalf("accepts what the library rejects: %v", err)
			}
			return
		}
		value, err := jsonschema.UnmarshalJSON(bytes.NewReader(data))
		if err != nil {
			return
		}
		once, err := json.Marshal(value)
		if err != nil {
			t.Fatal(err)
		}
		mine, theirs := set.Check(family, once), validate(strict[family], once)
		if (mine == nil) != (theirs == nil) {
			t.Fatalf("%s\nmine: %v\ntheirs: %v", once, mine, theirs)
		}
	})
}

// Data is JSON where encoding/json says so, up to the nesting at which its event has jsontext.MaxDepth levels.
func FuzzCheckJSON(f *testing.F) {
	const around = 3 // the event, its data, native
	for _, text := range []string{
		`{"a":[1,-0.5e+7,true,false,null,"\u00e9\n\"\\"],"a":{}}`, ` [ ] `, `01`, `1.`, `-`, `1e`, `tru`, `"\x"`, "\"\x01\"", "\"\xff\"", `"`, `{"a"}`, `{,}`, `[1,]`, `{}{}`, `"\u12g4"`, "",
		strings.Repeat("[", jsontext.MaxDepth-around) + strings.Repeat("]", jsontext.MaxDepth-around), strings.Repeat("[", jsontext.MaxDepth+1-around) + strings.Repeat("]", jsontext.MaxDepth+1-around),
		strings.Repeat("[", 9997) + strings.Repeat("]", 9997),
	} {
		f.Add([]byte(text))
	}
	set, err := schemas.Load()
	if err != nil {
		f.Fatal(err)
	}
	const before, after = `{"provider":"zoho","account":"a","module":"M","operation":"o","ids":[],"native":{"operation":"o","body":`, `}}`
	f.Fuzz(func(t *testing.T, body []byte) {
		data := []byte(before + string(body) + after)
		event := append(append([]byte(`{"data":`), data...), '}')
		err := set.Check("zoho-webhooks", data)
		if deep := errors.Is(jsontext.Check(event), jsontext.ErrDepth); (err == nil) != (json.Valid(data) && !deep) {
			t.Fatalf("%.200s: %.200v", data, err)
		}
	})
}
