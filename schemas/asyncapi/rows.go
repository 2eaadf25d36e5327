package asyncapi

import (
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"
)

// members are what a schema says, as a table.
type members struct {
	Caption string
	Rows    []row
}

type row struct {
	Name, Type, Meaning string
	Required            bool
}

// rows are the members that a schema describes, each before those inside it.
func rows(schema *yaml.Node, before string, to []row) []row {
	properties := find(schema, "properties")
	if properties == nil {
		return to
	}
	var required []string
	if list := find(schema, "required"); list != nil {
		for _, name := range list.Content {
			required = append(required, name.Value)
		}
	}
	for i := 0; i+1 < len(properties.Content); i += 2 {
		name, property := properties.Content[i].Value, properties.Content[i+1]
		to = append(to, row{Name: before + name, Type: typeOf(property), Meaning: textOf(property, "description"), Required: slices.Contains(required, name)})
		to = rows(property, before+name+".", to)
		if items := find(property, "items"); items != nil {
			to = rows(items, before+name+"[].", to)
		}
	}
	return to
}

// typeOf says in words what a value is.
func typeOf(schema *yaml.Node) string {
	if constant := find(schema, "const"); constant != nil {
		return `"` + constant.Value + `"`
	}
	items, others := find(schema, "items"), find(schema, "additionalProperties")
	if list := find(schema, "type"); list != nil && list.Kind == yaml.SequenceNode {
		return list.Content[0].Value + " or null"
	}
	switch kind := textOf(schema, "type"); {
	case kind == "":
		return "any JSON"
	case textOf(schema, "format") == "date-time":
		return "time, RFC 3339"
	case items != nil:
		return "list of " + plural(typeOf(items))
	case others != nil:
		return "object of " + plural(typeOf(others))
	default:
		return kind
	}
}

func plural(kind string) string {
	first, rest, more := strings.Cut(kind, " ")
	if !more {
		return kind + "s"
	}
	return first + "s " + rest
}

func textOf(schema *yaml.Node, keyword string) string {
	if n := find(schema, keyword); n != nil {
		return n.Value
	}
	return ""
}
