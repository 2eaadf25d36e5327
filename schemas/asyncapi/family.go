package asyncapi

import (
	"embed"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"

	"go.yaml.in/yaml/v3"

	"github.com/crm-bridge/crm-bridge/schemas"
	"github.com/crm-bridge/crm-bridge/schemas/jsontext"
)

// One event for each family, as the bridge makes it of a callback: its data is the first example of the schema.
//
//go:embed examples/*.json
var examples embed.FS

// family is what the schema of a family says, as far as a document asks.
type family struct {
	name, title, description string
	provider                 string // empty: of every CRM
	module, operation        *regexp.Regexp
	schema                   *yaml.Node // without its dialect, which AsyncAPI fixes
	event                    json.RawMessage
}

// families reads those of changes, sorted by name.
func families(set schemas.Set) ([]family, error) {
	var all []family
	for _, name := range set.Changes() {
		one, err := readFamily(set, name)
		if err != nil {
			return nil, err
		}
		all = append(all, one)
	}
	return all, nil
}

func readFamily(set schemas.Set, name string) (family, error) {
	_, raw, _ := set.Document(schemas.Path(name))
	f, err := parseFamily(name, raw)
	if err != nil {
		return f, fmt.Errorf("schema %s: %w", name, err)
	}
	return f, nil
}

func parseFamily(name string, raw []byte) (f family, err error) {
	var says struct {
		Title, Description string
		Properties         struct {
			Provider          struct{ Const string }
			Module, Operation struct{ Pattern string }
		}
	}
	if err = json.Unmarshal(raw, &says); err != nil {
		return f, err
	}
	of := says.Properties
	f = family{name: name, title: says.Title, description: says.Description, provider: of.Provider.Const}
	if f.module, err = regexp.Compile(of.Module.Pattern); err != nil {
		return f, err
	}
	if f.operation, err = regexp.Compile(of.Operation.Pattern); err != nil {
		return f, err
	}
	if f.schema, err = schemaNode(raw); err != nil {
		return f, err
	}
	f.event, err = examples.ReadFile("examples/" + name + ".json")
	return f, err
}

// subject is a subject of events, without its prefix, whole and in its parts.
type subject struct{ name, provider, module, operation string }

// takes reports whether a family's schema allows events of the subject.
func (f family) takes(s subject) bool {
	return f.provider == s.provider && f.module.MatchString(s.module) && f.operation.MatchString(s.operation)
}

// schemaNode is a JSON Schema as YAML, its members in their order. It is written in no other dialect than AsyncAPI's own
// says (draft 7): the keywords that schemas.Load knows mean the same in both.
func schemaNode(raw []byte) (*yaml.Node, error) {
	n, err := node(raw)
	if err != nil {
		return nil, err
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == "$schema" {
			n.Content = slices.Delete(n.Content, i, i+2)
			break
		}
	}
	return n, nil
}

// node is a JSON text as YAML, its members in their order and its numbers as they are written.
func node(raw []byte) (*yaml.Node, error) {
	if err := jsontext.Check(raw); err != nil {
		return nil, err
	}
	var document yaml.Node
	if err := yaml.Unmarshal(raw, &document); err != nil {
		return nil, err
	}
	plain(&document)
	return document.Content[0], nil
}

// plain takes the quotes and braces of JSON from a node, wherever YAML does not need them.
func plain(n *yaml.Node) {
	n.Style = 0
	for _, inner := range n.Content {
		plain(inner)
	}
}

// find returns the value of a member; nil where there is none.
func find(n *yaml.Node, name string) *yaml.Node {
	for i := 0; i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == name {
			return n.Content[i+1]
		}
	}
	return nil
}
