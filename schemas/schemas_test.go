package schemas_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/crm-bridge/crm-bridge/schemas"
)

// Every schema is valid, is served at its URL, and accepts its own examples, of which there are three or more; a JSON Schema library
// accepts them too.
func TestSchemas(t *testing.T) {
	set, err := schemas.Load()
	if err != nil {
		t.Fatal(err)
	}
	if len(set) == 0 {
		t.Fatal("no schemas")
	}
	compiled := reference(t, set, false)
	for family := range set {
		t.Run(family, func(t *testing.T) {
			_, body, ok := set.Document(schemas.Path(family))
			var document struct {
				ID       string            `json:"$id"`
				Schema   string            `json:"$schema"`
				Examples []json.RawMessage `json:"examples"`
			}
			if err := json.Unmarshal(body, &document); err != nil || !ok {
				t.Fatalf("served: %t: %v", ok, err)
			}
			if document.ID != schemas.URN(family) || !strings.HasSuffix(document.Schema, "2020-12/schema") || len(document.Examples) < 3 {
				t.Errorf("$id %s, $schema %s, %d examples", document.ID, document.Schema, len(document.Examples))
			}
			for i, example := range document.Examples {
				if err := set.Check(family, example); err != nil {
					t.Errorf("example %d: %v", i, err)
				}
				if err := validate(compiled[family], example); err != nil {
					t.Errorf("example %d: the library: %v", i, err)
				}
			}
			if set.Check(family, []byte(`{"provider":"another"}`)) == nil {
				t.Error("accepts data of another provider")
			}
		})
	}
}

// Every member has a description.
func TestEveryMemberIsDescribed(t *testing.T) {
	var walk func(t *testing.T, name string, raw json.RawMessage)
	walk = func(t *testing.T, name string, raw json.RawMessage) {
		var says struct {
			Description string
			Properties  map[string]json.RawMessage
		}
		if err := json.Unmarshal(raw, &says); err != nil {
			t.Fatal(err)
		}
		if says.Description == "" {
			t.Errorf("%s has no description", name)
		}
		for member, inner := range says.Properties {
			walk(t, name+"."+member, inner)
		}
	}
	for name, text := range current(t) {
		walk(t, strings.TrimSuffix(name, ".json"), text)
	}
}

// Paths without a schema are not found, however they are written.
func TestNoOtherFileIsServed(t *testing.T) {
	set, err := schemas.Load()
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"/schemas/v1/nothing.json", "/schemas/v1/..%2f..%2fschemas.go", "/schemas/v1/", "/schemas/v1/zoho-notifications"} {
		if _, _, ok := set.Document(path); ok {
			t.Errorf("%s is served", path)
		}
	}
}
