package schemas_test

import (
	"encoding/json"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/crm-bridge/crm-bridge/schemas"
)

var update = flag.Bool("update", false, "publish the schemas as they are now, where they are compatible with those that were published")

// published are the schemas that consumers may have. Only -update changes them.
const published = "testdata/published/v1"

// current returns the schemas of this version: one for each family, and those of the envelopes.
func current(t *testing.T) map[string][]byte {
	t.Helper()
	set, err := schemas.Load()
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]byte{"event.json": schemas.Envelope(), "record-event.json": schemas.RecordEnvelope()}
	for family := range set {
		_, all[family+".json"], _ = set.Document(schemas.Path(family))
	}
	return all
}

// A published schema changes only compatibly, for consumers and for events in streams. Publish a compatible change with
// go test ./schemas -update; any other needs a new version (docs/events.md).
func TestPublishedSchemasStay(t *testing.T) {
	now := current(t)
	before, err := filepath.Glob(published + "/*.json")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range before {
		if _, ok := now[filepath.Base(path)]; !ok {
			t.Errorf("%s was published and is gone", filepath.Base(path))
		}
	}
	for name, text := range now {
		path := filepath.Join(published, name)
		old, err := os.ReadFile(path)
		if err == nil && string(old) == string(text) {
			continue
		}
		breaking := incompatible(old, text)
		for _, one := range breaking {
			t.Errorf("%s: %s", name, one)
		}
		switch {
		case len(breaking) > 0:
		case !*update:
			t.Errorf("%s is not published as it is now: go test ./schemas -update, and read the difference", name)
		default:
			if err := os.WriteFile(path, text, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// incompatible returns how a schema breaks compatibility with the one published before it; old is empty if none was.
func incompatible(old, text []byte) []string {
	var before, after map[string]any
	if len(old) == 0 {
		return nil
	}
	if err := json.Unmarshal(old, &before); err != nil {
		return []string{"what was published is no schema: " + err.Error()}
	}
	if err := json.Unmarshal(text, &after); err != nil {
		return []string{"is no schema: " + err.Error()}
	}
	return breaks(before, after, "")
}

// breaks compares two schemas at a place. Consumers check new events against an older schema, so nothing may be loosened; and they check
// stored events against the new one, so nothing may be tightened. Only new optional members are compatible.
func breaks(before, after map[string]any, at string) (found []string) {
	say := func(keyword, format string, args ...any) {
		found = append(found, fmt.Sprintf("at '%s/%s': %s", at, keyword, fmt.Sprintf(format, args...)))
	}
	keywords := maps.Clone(before)
	maps.Copy(keywords, after)
	for _, keyword := range slices.Sorted(maps.Keys(keywords)) {
		old, had := before[keyword]
		now, has := after[keyword]
		inner, nested := old.(map[string]any)
		innerNow, nestedNow := now.(map[string]any)
		switch {
		case keyword == "title" || keyword == "description" || keyword == "examples":
		case keyword == "properties" && (nested || !had) && (nestedNow || !has):
			found = append(found, members(inner, innerNow, before["additionalProperties"] != nil, at+"/properties")...)
		case had && !has:
			say(keyword, "is no longer there")
		case !had:
			say(keyword, "was not there")
		case keyword == "required":
			if !reflect.DeepEqual(sorted(old), sorted(now)) {
				say(keyword, "was %v, is %v", old, now)
			}
		case (keyword == "items" || keyword == "additionalProperties") && nested && nestedNow:
			found = append(found, breaks(inner, innerNow, at+"/"+keyword)...)
		case !reflect.DeepEqual(old, now):
			say(keyword, "was %v, is %v", old, now)
		}
	}
	return found
}

// members compares properties. New ones are compatible, unless additionalProperties had a schema.
func members(before, after map[string]any, described bool, at string) (found []string) {
	for _, name := range slices.Sorted(maps.Keys(before)) {
		old, _ := before[name].(map[string]any)
		now, ok := after[name].(map[string]any)
		if !ok {
			found = append(found, fmt.Sprintf("at '%s/%s': is no longer there", at, name))
			continue
		}
		found = append(found, breaks(old, now, at+"/"+name)...)
	}
	for _, name := range slices.Sorted(maps.Keys(after)) {
		if _, known := before[name]; !known && described {
			found = append(found, fmt.Sprintf("at '%s/%s': additionalProperties described it already", at, name))
		}
	}
	return found
}

func sorted(list any) []string {
	var names []string
	for _, name := range list.([]any) {
		names = append(names, fmt.Sprint(name))
	}
	slices.Sort(names)
	return names
}

// The comparison distinguishes compatible changes from others.
func TestIncompatible(t *testing.T) {
	const old = `{"$id":"urn:a","title":"A","type":"object","required":["a","b"],"properties":{"a":{"type":"string","pattern":"^[a-z]$"},"b":{"const":"x"},
		"c":{"type":"array","items":{"type":"string"}},"d":{"type":"object","additionalProperties":{"type":"string"}},"e":{}},"examples":[1]}`
	for name, change := range map[string]struct{ from, to, breaks string }{
		"another title":              {`"A"`, `"B"`, ""},
		"a description":              {`"title"`, `"description":"x","title"`, ""},
		"other examples":             {`[1]`, `[2,3]`, ""},
		"required in another order":  {`["a","b"]`, `["b","a"]`, ""},
		"a new member":               {`"e":{}`, `"e":{},"f":{"type":"object","required":["g"],"properties":{"g":{}}}`, ""},
		"another name":               {`urn:a`, `urn:b`, "/$id"},
		"a member less":              {`,"e":{}`, ``, "/properties/e"},
		"a member renamed":           {`"e":{}`, `"E":{}`, "/properties/e"},
		"a member required anew":     {`["a","b"]`, `["a","b","c"]`, "/required"},
		"a new member required":      {`["a","b"],"properties":{`, `["a","b","f"],"properties":{"f":{},`, "/required"},
		"a member required no more":  {`["a","b"]`, `["a"]`, "/required"},
		"nothing required":           {`"required":["a","b"],`, ``, "/required"},
		"another type":               {`{"type":"string","pattern"`, `{"type":"number","pattern"`, "/properties/a/type"},
		"a type more":                {`{"type":"string","pattern"`, `{"type":["string","null"],"pattern"`, "/properties/a/type"},
		"a type where there is none": {`"e":{}`, `"e":{"type":"string"}`, "/properties/e/type"},
		"a looser pattern":           {`^[a-z]$`, `^[a-z]+$`, "/properties/a/pattern"},
		"a tighter pattern":          {`^[a-z]$`, `^[a-y]$`, "/properties/a/pattern"},
		"no pattern":                 {`,"pattern":"^[a-z]$"`, ``, "/properties/a/pattern"},
		"a length":                   {`"pattern"`, `"minLength":1,"pattern"`, "/properties/a/minLength"},
		"another constant":           {`"const":"x"`, `"const":"y"`, "/properties/b/const"},
		"a list for a constant":      {`"const":"x"`, `"enum":["x","y"]`, "/properties/b/const"},
		"other items":                {`"items":{"type":"string"}`, `"items":{"type":"number"}`, "/properties/c/items/type"},
		"a list of one at least":     {`"items"`, `"minItems":1,"items"`, "/properties/c/minItems"},
		"other values":               {`"additionalProperties":{"type":"string"}`, `"additionalProperties":{}`, "/properties/d/additionalProperties/type"},
		"a name among others":        {`"additionalProperties":{`, `"properties":{"x":{}},"additionalProperties":{`, "/properties/d/properties/x"},
		"nothing beside":             {`"type":"object","required"`, `"type":"object","additionalProperties":false,"required"`, "/additionalProperties"},
		"members no more":            {`"type":"object","required"`, `"type":"array","required"`, "/type"},
		"a bound that is a word":     {`"e":{}`, `"e":{"maxLength":9}`, "/properties/e/maxLength"},
	} {
		text := strings.Replace(old, change.from, change.to, 1)
		found := incompatible([]byte(old), []byte(text))
		if text == old || (len(found) > 0) != (change.breaks != "") || len(found) > 0 && !strings.HasPrefix(found[0], "at '"+change.breaks+"'") {
			t.Errorf("%s: %q, wanted %q", name, found, change.breaks)
		}
	}
}

// Published examples stay valid.
func TestPublishedExamplesStay(t *testing.T) {
	set, err := schemas.Load()
	if err != nil {
		t.Fatal(err)
	}
	for family := range set {
		old, err := os.ReadFile(filepath.Join(published, family+".json"))
		if err != nil {
			t.Fatalf("%v: go test ./schemas -update", err)
		}
		var document struct{ Examples []json.RawMessage }
		if err := json.Unmarshal(old, &document); err != nil {
			t.Fatal(err)
		}
		for i, example := range document.Examples {
			if err := set.Check(family, example); err != nil {
				t.Errorf("%s: example %d: %v", family, i, err)
			}
		}
	}
}
