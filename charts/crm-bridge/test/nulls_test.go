package test

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"helm.sh/helm/v4/pkg/chart/v2/loader"
)

// A default may be deleted with null, or the schema requires it and refuses that by its name: no template breaks.
func TestNullsBreakNoTemplate(t *testing.T) {
	schema := map[string]any{}
	if err := json.Unmarshal([]byte(read(t, folder+"/values.schema.json")), &schema); err != nil {
		t.Fatal(err)
	}
	definitions, _ := schema["definitions"].(map[string]any)
	deleted := nulls(parse(t, read(t, folder+"/values.yaml")), schema, definitions)
	for name, base := range map[string]string{"journal": valid, "embedded": embedded} {
		_, err := manifests(loader.MergeMaps(deleted, parse(t, base)))
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := manifests(parse(t, valid+"settings: null")); err == nil || !strings.Contains(err.Error(), "missing property 'settings'") {
		t.Errorf("settings: null is not refused by its name: %v", err)
	}
}

// nulls returns values that delete every default of a map that the schema does not require.
func nulls(defaults, schema, definitions map[string]any) map[string]any {
	if ref, ok := schema["$ref"].(string); ok {
		schema, _ = definitions[strings.TrimPrefix(ref, "#/definitions/")].(map[string]any)
	}
	required, _ := schema["required"].([]any)
	properties, _ := schema["properties"].(map[string]any)
	found := map[string]any{}
	for name, value := range defaults {
		inner, isMap := value.(map[string]any)
		below, _ := properties[name].(map[string]any)
		switch {
		case !slices.Contains(required, any(name)):
			found[name] = nil
		case isMap:
			found[name] = nulls(inner, below, definitions)
		}
	}
	return found
}
