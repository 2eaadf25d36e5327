package terminal

import (
	"bytes"
	"cmp"
	"encoding/json"
	"time"

	"github.com/crm-bridge/crm-bridge/publish"
)

// RecordState is a stored state of a record, as far as it is shown to a person.
type RecordState struct {
	Provider, Account, Module, ID, Operation, ChangedBy string

	ModifiedAt    time.Time
	Before, After json.RawMessage // objects; null: there is none
	Changed       []string
	Causes        []Cause

	Stored publish.Stored `json:"-"`
	Err    error          `json:"-"` // why it is not a state; nil: it is
}

// Cause is an event that led to a state.
type Cause struct {
	ID       string
	Sequence uint64 // in the stream of events
}

// Field is a member of a record, as a person reads it.
type Field struct {
	Name, Was, Is  string
	Added, Removed bool // in this state
}

// ReadState reads a state of a record.
func ReadState(stored publish.Stored) RecordState {
	s := RecordState{Stored: stored}
	e, err := stored.Event()
	if err == nil {
		err = json.Unmarshal(e.Data(), &s)
	}
	s.Err = err
	return s
}

// ChangedAt returns when the record was changed, or when the state was stored where the CRM does not say.
func (s *RecordState) ChangedAt() time.Time { return cmp.Or(s.ModifiedAt, s.Stored.At) }

// Deleted reports whether the record is deleted in this state.
func (s *RecordState) Deleted() bool { return !isObject(s.After) }

// Fields returns the record as it is in this state, in the order of its members.
func (s *RecordState) Fields() (fields []Field) {
	names, values := fieldsOf(s.After)
	for _, name := range names {
		fields = append(fields, Field{Name: Visible(name), Is: valueText(values[name])})
	}
	return fields
}

// Changes returns the members that differ from the state before.
func (s *RecordState) Changes() (fields []Field) {
	_, was := fieldsOf(s.Before)
	_, is := fieldsOf(s.After)
	for _, name := range s.Changed {
		_, had := was[name]
		_, has := is[name]
		fields = append(fields, Field{Name: Visible(name), Was: valueText(was[name]), Is: valueText(is[name]), Added: has && !had, Removed: had && !has})
	}
	return fields
}

// fieldsOf returns the names of a record's fields in their order, and their values.
func fieldsOf(record json.RawMessage) (names []string, values map[string]json.RawMessage) {
	values = map[string]json.RawMessage{}
	if !isObject(record) {
		return nil, values
	}
	decoder := json.NewDecoder(bytes.NewReader(record))
	_, _ = decoder.Token() // it was decoded before: there is no error
	for decoder.More() {
		var value json.RawMessage
		name, _ := decoder.Token()
		if decoder.Decode(&value) != nil {
			return names, values
		}
		text, _ := name.(string)
		names, values[text] = append(names, text), value
	}
	return names, values
}

func isObject(value json.RawMessage) bool { return bytes.HasPrefix(value, []byte("{")) }

// valueText returns a value for a person: a text without its quotes, and a dash where there is none.
func valueText(value json.RawMessage) string {
	var text string
	switch {
	case len(value) == 0 || string(value) == "null":
		return "–"
	case value[0] == '"' && json.Unmarshal(value, &text) == nil:
		return Visible(text)
	}
	var line bytes.Buffer
	if json.Compact(&line, value) != nil {
		return Visible(string(value))
	}
	return Visible(line.String())
}
