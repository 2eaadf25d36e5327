package body

import (
	"encoding/json"

	"github.com/crm-bridge/crm-bridge/schemas/jsontext"
)

// Members are those of a JSON object, which may have any shape. It is a list, because reading a map of so few costs more.
type Members []Member

// Member is a member of a JSON object: its name decoded, its value verbatim.
type Member struct{ Name, Value []byte }

// Append appends the members of an object, which must have passed jsontext.Check. Other values have none.
func (m Members) Append(object []byte) Members {
	for name, value := range jsontext.Members(object) {
		m = append(m, Member{name, value})
	}
	return m
}

// Of returns the value of a member; nil where there is none or null. Of a repeated name the last counts.
func (m Members) Of(name string) json.RawMessage {
	for i := len(m) - 1; i >= 0; i-- {
		if string(m[i].Name) != name {
			continue
		}
		if string(m[i].Value) == "null" {
			return nil
		}
		return m[i].Value
	}
	return nil
}
