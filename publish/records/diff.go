package records

import (
	"bytes"
	"encoding/json"
	"reflect"
	"slices"

	"github.com/crm-bridge/crm-bridge/schemas/jsontext"
)

// changed returns the names of the members that differ between two records, sorted; of nil, all of the other's. Spaces, and the order of
// the members of an object, are no difference; every digit of a number is.
func changed(before, after json.RawMessage) []string {
	names := []string{}
	was, is := membersOf(before), membersOf(after)
	for name, value := range is {
		if old, ok := was[name]; !ok || !same(old, value) {
			names = append(names, name)
		}
	}
	for name := range was {
		if _, ok := is[name]; !ok {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

func membersOf(object json.RawMessage) map[string]json.RawMessage {
	all := map[string]json.RawMessage{}
	for name, value := range jsontext.Members(object) {
		all[string(name)] = value
	}
	return all
}

func same(a, b json.RawMessage) bool {
	return bytes.Equal(a, b) || reflect.DeepEqual(valueOf(a), valueOf(b))
}

func valueOf(text json.RawMessage) (value any) {
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	if decoder.Decode(&value) != nil {
		return string(text)
	}
	return value
}
