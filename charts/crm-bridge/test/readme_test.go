package test

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"

	yaml3 "go.yaml.in/yaml/v3"
	"sigs.k8s.io/yaml"
)

// row is a value in the README.
type row struct{ path, fallback, meaning string }

// rows reads values.yaml: each value whose comment begins with "--". It fails for one that has none.
func rows(t *testing.T) (found []row) {
	t.Helper()
	var document yaml3.Node
	if err := yaml3.Unmarshal([]byte(read(t, folder+"/values.yaml")), &document); err != nil {
		t.Fatal(err)
	}
	var walk func(path string, node *yaml3.Node)
	walk = func(path string, node *yaml3.Node) {
		for i := 0; i < len(node.Content); i += 2 {
			key, value := node.Content[i], node.Content[i+1]
			name := strings.TrimPrefix(path+"."+key.Value, ".")
			// A comment above a blank line belongs to the file.
			comment := key.HeadComment[strings.LastIndex(key.HeadComment, "\n\n")+1:]
			meaning, documented := strings.CutPrefix(strings.ReplaceAll(strings.TrimSpace(comment), "\n# ", " "), "# -- ")
			switch {
			case documented:
				var fallback any
				if err := value.Decode(&fallback); err != nil {
					t.Fatal(err)
				}
				text, err := json.Marshal(fallback)
				if err != nil {
					t.Fatal(err)
				}
				found = append(found, row{name, string(text), meaning})
			case value.Kind == yaml3.MappingNode && len(value.Content) > 0:
				walk(name, value)
			default:
				t.Errorf("values.yaml does not say what %s is: begin its comment with --", name)
			}
		}
	}
	walk("", document.Content[0])
	return found
}

const begins, ends = "<!-- values: make chart-test CHARTFLAGS=-update writes them -->\n", "<!-- end of values -->\n"

// The README has every value, with its default and its meaning, as values.yaml has them.
func TestReadmeHasEveryValue(t *testing.T) {
	var table strings.Builder
	table.WriteString("\n| value | default | meaning |\n|---|---|---|\n")
	for _, r := range rows(t) {
		escape := strings.NewReplacer("|", `\|`)
		fmt.Fprintf(&table, "| `%s` | `%s` | %s |\n", r.path, escape.Replace(r.fallback), escape.Replace(r.meaning))
	}
	path := folder + "/README.md"
	before, rest, ok := strings.Cut(read(t, path), begins)
	_, after, ok2 := strings.Cut(rest, ends)
	if !ok || !ok2 {
		t.Fatalf("%s has no place for values, between %s and %s", path, begins, ends)
	}
	compare(t, path, before+begins+table.String()+"\n"+ends+after)
}

// What the README of the chart and of the repository show to be typed names files that there are.
func TestReadmeNamesExamples(t *testing.T) {
	entries, err := os.ReadDir(folder + "/examples")
	if err != nil {
		t.Fatal(err)
	}
	text := read(t, folder+"/README.md")
	for _, entry := range entries {
		if !strings.Contains(text, "examples/"+entry.Name()) {
			t.Errorf("the README does not name examples/%s", entry.Name())
		}
	}
}

// The schema knows every value and no other, so that what is misspelt is refused.
func TestSchemaKnowsEveryValue(t *testing.T) {
	var schema, values map[string]any
	if err := json.Unmarshal([]byte(read(t, folder+"/values.schema.json")), &schema); err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal([]byte(read(t, folder+"/values.yaml")), &values); err != nil {
		t.Fatal(err)
	}
	definitions := schema["definitions"].(map[string]any)
	var walk func(path string, schema, value map[string]any)
	walk = func(path string, schema, value map[string]any) {
		if reference, ok := schema["$ref"].(string); ok {
			if strings.HasPrefix(reference, "#/definitions/k8s.") {
				return // Kubernetes' own: values.yaml sets some of its fields
			}
			schema = definitions[strings.TrimPrefix(reference, "#/definitions/")].(map[string]any)
		}
		properties, ok := schema["properties"].(map[string]any)
		if !ok {
			return // a free map
		}
		if refuses, ok := schema["additionalProperties"].(map[string]any); path != "global." && schema["additionalProperties"] != false && (!ok || refuses["const"] == nil) {
			t.Errorf("the schema takes anything in %q", path)
		}
		if len(value) == 0 {
			return // documented as a whole
		}
		var known []string
		for name := range properties {
			if path != "" || name != "enabled" && name != "tags" { // Helm reads these two in a chart of charts
				known = append(known, name)
			}
		}
		slices.Sort(known)
		if there := sortedKeys(value); !slices.Equal(known, there) {
			t.Errorf("in %q the schema knows %q, and values.yaml has %q", path, known, there)
		}
		for name, inner := range value {
			if inner, ok := inner.(map[string]any); ok {
				if s, ok := properties[name].(map[string]any); ok {
					walk(path+name+".", s, inner)
				}
			}
		}
	}
	walk("", schema, values)
}
