package schemas

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"

	"github.com/crm-bridge/crm-bridge/schemas/jsontext"
)

// schema is a compiled JSON Schema. It has the keywords that the events' schemas use; compile rejects any other. A nil schema accepts
// every value.
type schema struct {
	typeName  string        // with " or null" if it is nullable
	kind      jsontext.Kind // of that type; jsontext.None: any
	nullable  bool
	constant  *string
	minLength int // in characters
	pattern   *regexp.Regexp
	dateTime  bool
	minItems  int
	items     *schema
	members   map[string]member // properties
	others    *schema           // additionalProperties
	required  []string          // a member's bit is the place of its name here
}

type member struct {
	schema *schema
	bit    uint64 // in the set of required members that were seen; 0: optional
}

// Integers are missing: 1.0 is one, and numbers are not decoded here.
var kinds = map[string]jsontext.Kind{
	"object": jsontext.Object, "array": jsontext.List, "string": jsontext.String, "number": jsontext.Number, "boolean": jsontext.Boolean, "null": jsontext.Null,
}

const (
	draft     = "https://json-schema.org/draft/2020-12/schema"
	maxNeeded = 64 // required members: bits of a set
)

// compile compiles the schema at a place, a JSON pointer, of its document.
func compile(raw []byte, place string) (*schema, error) {
	var keywords map[string]json.RawMessage
	if err := json.Unmarshal(raw, &keywords); err != nil {
		return nil, fmt.Errorf("at '%s': must be an object: %w", place, err)
	}
	s := &schema{members: map[string]member{}}
	for _, keyword := range slices.Sorted(maps.Keys(keywords)) {
		if err := s.add(keyword, keywords[keyword], place+"/"+keyword); err != nil {
			return nil, err
		}
	}
	for i, name := range s.required {
		described, ok := s.members[name]
		if !ok || i >= maxNeeded {
			return nil, fmt.Errorf("at '%s': requires %s, which has no schema, or more than %d members", place, name, maxNeeded)
		}
		described.bit |= 1 << i
		s.members[name] = described
	}
	return s, nil
}

func (s *schema) add(keyword string, raw []byte, place string) (err error) {
	if string(raw) == "null" { // which encoding/json would ignore
		return fmt.Errorf("at '%s': must not be null", place)
	}
	var text string
	switch keyword {
	case "$id", "title", "description", "examples":
	case "$schema":
		if err = json.Unmarshal(raw, &text); err == nil && text != draft {
			err = errors.New("must be " + draft)
		}
	case "type":
		err = s.addType(raw)
	case "const":
		err = json.Unmarshal(raw, &s.constant)
	case "minLength":
		err = json.Unmarshal(raw, &s.minLength)
	case "pattern":
		if err = json.Unmarshal(raw, &text); err == nil {
			s.pattern, err = regexp.Compile(text)
		}
	case "format":
		if err = json.Unmarshal(raw, &text); err == nil && text != "date-time" {
			err = fmt.Errorf("unknown format %s", text)
		}
		s.dateTime = true
	case "minItems":
		err = json.Unmarshal(raw, &s.minItems)
	case "items":
		s.items, err = compile(raw, place)
		return err
	case "required":
		err = json.Unmarshal(raw, &s.required)
	case "properties":
		return s.addMembers(raw, place)
	case "additionalProperties":
		s.others, err = compile(raw, place)
		return err
	default:
		err = errors.New("unknown keyword")
	}
	if err != nil {
		return fmt.Errorf("at '%s': %w", place, err)
	}
	return nil
}

// addType adds a type: its name, or a list of its name and "null".
func (s *schema) addType(raw []byte) error {
	name, names := "", []string(nil)
	if json.Unmarshal(raw, &names) == nil {
		if len(names) != 2 || names[1] != "null" {
			return errors.New(`a list of types must be one and "null"`)
		}
		name, s.nullable = names[0], true
	} else if err := json.Unmarshal(raw, &name); err != nil {
		return err
	}
	if s.kind = kinds[name]; s.kind == jsontext.None {
		return fmt.Errorf("unknown type %s", name)
	}
	if s.typeName = name; s.nullable {
		s.typeName += " or null"
	}
	return nil
}

func (s *schema) addMembers(raw []byte, place string) error {
	var properties map[string]json.RawMessage
	if err := json.Unmarshal(raw, &properties); err != nil {
		return fmt.Errorf("at '%s': %w", place, err)
	}
	for name, raw := range properties {
		described, err := compile(raw, place+"/"+name)
		if err != nil {
			return err
		}
		s.members[name] = member{schema: described}
	}
	return nil
}
