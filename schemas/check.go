package schemas

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/crm-bridge/crm-bridge/schemas/jsontext"
)

// violation is a place in a JSON text, a JSON pointer, and the rule of the schema that is violated there. It quotes nothing but names
// of members.
type violation struct{ place, rule string }

func (v *violation) Error() string { return fmt.Sprintf("at '%s': %s", v.place, v.rule) }

func violates(rule string, args ...any) error { return &violation{rule: fmt.Sprintf(rule, args...)} }

var pointer = strings.NewReplacer("~", "~0", "/", "~1")

// below puts a step in front of the place of a violation.
func below(step string, err error) error {
	var v *violation
	if errors.As(err, &v) {
		v.place = "/" + pointer.Replace(step) + v.place
	}
	return err
}

// scanner checks the data of an event while it scans it.
type scanner struct{ jsontext.Scanner[[]byte] }

// check returns the first violation of the schema, or of JSON. Data is one level down in its event.
func (s *schema) check(data []byte) error {
	text := &scanner{jsontext.Scanner[[]byte]{Text: data, Depth: 1}}
	if err := text.value(s); err != nil {
		return err
	}
	return broken(text.End())
}

// broken returns the violation for an error of the scanner.
func broken(err error) error {
	switch {
	case errors.Is(err, jsontext.ErrDepth):
		return violates("must not nest deeper than %d levels, those of its event included", jsontext.MaxDepth)
	case err != nil:
		return violates("must be JSON")
	}
	return nil
}

func (t *scanner) value(s *schema) error {
	if s == nil {
		t.Skip()
		return broken(t.Err())
	}
	got := t.Kind()
	if s.kind != jsontext.None && got != s.kind && got != jsontext.None && (got != jsontext.Null || !s.nullable) {
		return violates("must be of the type %s", s.typeName)
	}
	if s.constant != nil && got != jsontext.String {
		return violates("must be the string %s", *s.constant)
	}
	switch got {
	case jsontext.Object:
		return t.object(s)
	case jsontext.List:
		return t.list(s)
	case jsontext.String:
		_, value := t.String()
		if err := t.Err(); err != nil {
			return broken(err)
		}
		return s.checkString(value)
	}
	t.Literal()
	return broken(t.Err())
}

func (t *scanner) object(s *schema) error {
	var seen uint64
	for t.Enter(); t.More(); {
		_, name := t.Name()
		if err := t.Err(); err != nil {
			return broken(err)
		}
		of := s.member(name)
		if err := t.value(of.schema); err != nil {
			return below(string(name), err)
		}
		seen |= of.bit
	}
	if err := t.Err(); err != nil {
		return broken(err)
	}
	return s.checkRequired(seen)
}

func (t *scanner) list(s *schema) error {
	n := 0
	for t.Enter(); t.More(); n++ {
		if err := t.value(s.items); err != nil {
			return below(strconv.Itoa(n), err)
		}
	}
	switch err := t.Err(); {
	case err != nil:
		return broken(err)
	case n < s.minItems:
		return violates("must have at least %d items", s.minItems)
	}
	return nil
}

// member returns the schema for the member of a name.
func (s *schema) member(name []byte) member {
	if found, ok := s.members[string(name)]; ok {
		return found
	}
	return member{schema: s.others}
}

func (s *schema) checkRequired(seen uint64) error {
	if seen == 1<<len(s.required)-1 {
		return nil
	}
	var missing []string
	for i, name := range s.required {
		if seen&(1<<i) == 0 {
			missing = append(missing, name)
		}
	}
	return violates("must have %s", strings.Join(missing, ", "))
}

func (s *schema) checkString(value []byte) error {
	switch {
	case s.constant != nil && string(value) != *s.constant:
		return violates("must be the string %s", *s.constant)
	case s.minLength > 0 && utf8.RuneCount(value) < s.minLength:
		return violates("must have at least %d characters", s.minLength)
	case s.pattern != nil && !s.pattern.Match(value):
		return violates("must match %s", s.pattern)
	case s.dateTime && new(time.Time).UnmarshalText(value) != nil:
		return violates("must be a date and time of RFC 3339, with a capital T and Z and no leap second")
	}
	return nil
}
