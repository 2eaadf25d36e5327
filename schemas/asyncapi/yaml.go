package asyncapi

import (
	"bytes"
	"fmt"
	"maps"
	"slices"

	"go.yaml.in/yaml/v3"
)

// YAML returns the document as YAML.
func (d Document) YAML() ([]byte, error) {
	var out bytes.Buffer
	out.WriteString("# Made by crm-bridge from the schemas that it checks its events against.\n")
	if err := encode(&out, d); err != nil {
		return nil, err
	}
	if err := encodeEach(&out, "channels", d.Channels); err != nil {
		return nil, err
	}
	if err := encodeEach(&out, "operations", d.Operations); err != nil {
		return nil, err
	}
	if err := encode(&out, map[string]components{"components": d.Components}); err != nil {
		return nil, err
	}
	return out.Bytes(), nil
}

// encodeEach writes a member of the document that may have hundreds of members, one at a time: an encoder keeps all that it has
// written, and copies it as it grows.
func encodeEach[T any](out *bytes.Buffer, name string, members map[string]T) error {
	fmt.Fprintf(out, "%s:\n", name)
	for _, one := range slices.Sorted(maps.Keys(members)) {
		var text bytes.Buffer
		if err := encode(&text, map[string]map[string]T{name: {one: members[one]}}); err != nil {
			return err
		}
		_, _ = text.ReadBytes('\n') // its name
		_, _ = text.WriteTo(out)
	}
	return nil
}

func encode(out *bytes.Buffer, value any) error {
	encoder := yaml.NewEncoder(out)
	encoder.SetIndent(2)
	if err := encoder.Encode(value); err != nil {
		return fmt.Errorf("write the AsyncAPI document: %w", err)
	}
	return encoder.Close()
}
