// Package schemas has events and records' states as Go types for consumers, and a JSON Schema (draft 2020-12) of each family of their
// data, against which the bridge checks each before it is stored. It imports the standard library alone. Nothing here knows how an event came or
// where it goes.
package schemas

import (
	"embed"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
)

//go:embed v1/*.json
var files embed.FS

// Set is every schema, compiled.
type Set map[string]*schema

// Load compiles the schemas. Its keys are the families' names, such as "acme-webhooks". A keyword that the check
// does not know is an error, so that none is passed over in silence.
func Load() (Set, error) {
	names, err := fs.Glob(files, "v1/*.json")
	if err != nil {
		return nil, err
	}
	set := Set{}
	for _, name := range names {
		raw, err := files.ReadFile(name)
		if err != nil {
			return nil, err
		}
		if set[family(name)], err = compile(raw, ""); err != nil {
			return nil, fmt.Errorf("schema %s: %w", name, err)
		}
	}
	return set, nil
}

// Changes returns the families whose data is a Change, sorted: all but RecordFamily.
func (s Set) Changes() []string {
	return slices.DeleteFunc(slices.Sorted(maps.Keys(s)), func(family string) bool { return family == RecordFamily })
}

// Check returns an error that names the first place, a JSON pointer, where data violates the schema of its family, and none of the
// values in it. Duplicate members are checked each. Data must be valid JSON that nests less than jsontext.MaxDepth levels, because its
// event adds one.
func (s Set) Check(family string, data []byte) error {
	schema, ok := s[family]
	if !ok {
		return fmt.Errorf("no schema of the family %q", family)
	}
	return schema.check(data)
}

// URN returns the name of a family's schema for events of a bridge without a public URL.
func URN(family string) string { return "urn:crm-bridge:schema:v1:" + family }

// Path returns the path at which the bridge serves the schema of a family.
func Path(family string) string { return "/schemas/v1/" + family + ".json" }

// Document returns the schema at a path that Path returns; ok is false if there is none.
func (s Set) Document(at string) (contentType string, body []byte, ok bool) {
	body, err := files.ReadFile("v1/" + path.Base(at))
	return "application/schema+json", body, err == nil && Path(family(at)) == at
}

func family(name string) string { return strings.TrimSuffix(path.Base(name), ".json") }
