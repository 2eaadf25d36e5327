package schemas

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
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

// check holds the text against the schema, and proves on the way that all of it is JSON.
func (s *schema) check(data []byte) error {
	t := &text{in: data}
	if err := t.value(s); err != nil {
		return err
	}
	if t.space(); t.at != len(data) {
		return notJSON()
	}
	return nil
}

func (t *text) value(s *schema) error {
	t.space()
	got := t.kind()
	if s != nil && s.kind != noJSON && got != s.kind && got != noJSON {
		return wanted("must be of the type %s", s.typeName)
	}
	if s != nil && s.constant != nil && got != aString {
		return wanted("must be the string %s", *s.constant)
	}
	switch got {
	case anObject:
		return t.object(s)
	case anArray:
		return t.array(s)
	case aString:
		quoted, err := t.quoted()
		if err != nil || s == nil {
			return err
		}
		return s.checkString(unquote(quoted))
	}
	return t.literal(got)
}

func (t *text) object(s *schema) error {
	if t.depth++; t.depth > deepest {
		return wanted("must not nest deeper than %d levels", deepest)
	}
	defer func() { t.depth-- }()
	var seen uint64
	t.at++
	for n := 0; ; n++ {
		if t.space(); n == 0 && t.peek() == '}' {
			break
		}
		quoted, err := t.quoted()
		if err != nil {
			return err
		}
		if t.space(); !t.skip(':') {
			return notJSON()
		}
		of := s.member(quoted)
		if err := t.value(of.schema); err != nil {
			return below(string(unquote(quoted)), err)
		}
		seen |= of.bit
		if t.space(); !t.skip(',') {
			break
		}
	}
	if !t.skip('}') {
		return notJSON()
	}
	return s.checkRequired(seen)
}

func (t *text) array(s *schema) error {
	if t.depth++; t.depth > deepest {
		return wanted("must not nest deeper than %d levels", deepest)
	}
	defer func() { t.depth-- }()
	var each *schema
	if s != nil {
		each = s.items
	}
	n := 0
	t.at++
	for ; ; n++ {
		if t.space(); n == 0 && t.peek() == ']' {
			break
		}
		if err := t.value(each); err != nil {
			return below(strconv.Itoa(n), err)
		}
		if t.space(); !t.skip(',') {
			n++
			break
		}
	}
	if !t.skip(']') {
		return notJSON()
	}
	if s != nil && n < s.minItems {
		return wanted("must have at least %d items", s.minItems)
	}
	return nil
}

// member returns what is demanded of the member of a name, which is quoted as it stands in the text.
func (s *schema) member(quoted []byte) member {
	if s == nil || len(s.members) == 0 && s.others == nil {
		return member{}
	}
	if found, ok := s.members[string(unquote(quoted))]; ok {
		return found
	}
	return member{schema: s.others}
}

func (s *schema) checkRequired(seen uint64) error {
	if s == nil || seen == 1<<len(s.required)-1 {
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

// unquote returns what a string says; quoted stands in a text where it was found to be JSON.
func unquote(quoted []byte) []byte {
	inner := quoted[1 : len(quoted)-1]
	if bytes.IndexByte(inner, '\\') < 0 {
		return inner
	}
	var said string
	_ = json.Unmarshal(quoted, &said) // it was found to be JSON
	return []byte(said)
}
