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

// departure is the place where a JSON text departs from its schema, as a JSON pointer, and what was wanted there. It
// quotes nothing but names of members.
type departure struct{ place, want string }

func (d *departure) Error() string { return fmt.Sprintf("at '%s': %s", d.place, d.want) }

func wanted(format string, args ...any) error { return &departure{want: fmt.Sprintf(format, args...)} }

var pointer = strings.NewReplacer("~", "~0", "/", "~1")

// below adds a step to the front of a departure's place.
func below(step string, err error) error {
	var d *departure
	if errors.As(err, &d) {
		d.place = "/" + pointer.Replace(step) + d.place
	}
	return err
}

// scanner reads the data of an event. It stands in the event, so that it may nest one level less than the event does.
type scanner struct{ jsontext.Scanner[[]byte] }

// check returns where data departs from the schema, or where it is not JSON.
func (s *schema) check(data []byte) error {
	text := &scanner{jsontext.Scanner[[]byte]{Text: data, Depth: 1}}
	if err := text.value(s); err != nil {
		return err
	}
	return broken(text.End())
}

// broken returns a departure for an error of the scanner.
func broken(err error) error {
	switch {
	case errors.Is(err, jsontext.ErrDepth):
		return wanted("must not nest deeper than %d levels, those of its event included", jsontext.MaxDepth)
	case err != nil:
		return wanted("must be JSON")
	}
	return nil
}

func (t *scanner) value(s *schema) error {
	if s == nil {
		t.Skip()
		return broken(t.Err())
	}
	got := t.Kind()
	if s.kind != jsontext.None && got != s.kind && got != jsontext.None {
		return wanted("must be of the type %s", s.typeName)
	}
	if s.constant != nil && got != jsontext.String {
		return wanted("must be the string %s", *s.constant)
	}
	switch got {
	case jsontext.Object:
		return t.object(s)
	case jsontext.List:
		return t.list(s)
	case jsontext.String:
		_, says := t.String()
		if err := t.Err(); err != nil {
			return broken(err)
		}
		return s.checkString(says)
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
		return wanted("must have at least %d items", s.minItems)
	}
	return nil
}

// member returns what is demanded of the member of a name.
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
	return wanted("must have %s", strings.Join(missing, ", "))
}

func (s *schema) checkString(value []byte) error {
	switch {
	case s.constant != nil && string(value) != *s.constant:
		return wanted("must be the string %s", *s.constant)
	case s.minLength > 0 && utf8.RuneCount(value) < s.minLength:
		return wanted("must have at least %d characters", s.minLength)
	case s.pattern != nil && !s.pattern.Match(value):
		return wanted("must match %s", s.pattern)
	case s.dateTime && new(time.Time).UnmarshalText(value) != nil:
		return wanted("must be a date and time of RFC 3339, with a capital T and Z and no leap second")
	}
	return nil
}
