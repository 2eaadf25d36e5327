// Package jsontext reads and writes JSON as text. It finds values where they stand and never decodes them, so that every digit
// of a number, the order of members and all escapes stay. All packages scan JSON, write strings and bound nesting with it alone.
// It takes the standard library alone, and knows nothing of what a text means.
package jsontext

import (
	"errors"
	"fmt"
)

// MaxDepth is how many objects and lists may be nested in a text, the outermost included. Of the parsers that consumers use,
// Ruby's reads no deeper by default; what CRMs send nests less than ten levels.
const MaxDepth = 100

// The errors of Check and Scanner.
var (
	ErrInvalid = errors.New("not valid JSON")
	ErrDepth   = fmt.Errorf("nested deeper than %d levels", MaxDepth)
)

// Text is a type of JSON texts.
type Text interface{ ~string | ~[]byte }

// Kind is a type of JSON values, by a byte with which they may begin.
type Kind byte

// The kinds of values. None is the kind of what cannot begin a value.
const (
	Object  Kind = '{'
	List    Kind = '['
	String  Kind = '"'
	Number  Kind = '0'
	Boolean Kind = 't'
	Null    Kind = 'n'
	None    Kind = 0
)

// Check returns ErrInvalid unless text is one JSON value, as encoding/json.Valid decides, and ErrDepth once it nests deeper than
// MaxDepth, whatever follows there.
func Check[T Text](text T) error {
	s := Scanner[T]{Text: text}
	s.Skip()
	return s.End()
}

// Scanner reads a JSON text once, from its beginning to its end. After the first error it stays where it is: Kind returns None,
// More false, and Err the error.
//
//	for s.Enter(); s.More(); { // an object
//		raw, name := s.Name()
//		… // Enter, String, Literal or Skip its value
//	}
//	err := s.End()
type Scanner[T Text] struct {
	Text  T
	Depth int  // objects and lists around the next value; set before the first call, those that Text will stand in
	Lax   bool // strings may hold control characters, as people type them

	at   int
	ends [MaxDepth]byte // what closes each of the objects and lists
	err  error
}

// Kind returns the kind of the next value.
func (s *Scanner[T]) Kind() Kind {
	switch b := s.next(); b {
	case '{', '[', '"', 't', 'n':
		return Kind(b)
	case 'f':
		return Boolean
	case '-', '0', '1', '2', '3', '4', '5', '6', '7', '8', '9':
		return Number
	}
	return None
}

// Enter steps into the object or list that Kind has found.
func (s *Scanner[T]) Enter() {
	b := s.next()
	switch {
	case b != '{' && b != '[':
		s.fail(ErrInvalid)
	case s.Depth == MaxDepth:
		s.fail(ErrDepth)
	default:
		s.ends[s.Depth] = b + '}' - '{'
		s.Depth++
		s.at++
	}
}

// More reports whether the object or list has another member or entry, and steps up to it. At the end it steps out.
func (s *Scanner[T]) More() bool {
	if s.err != nil {
		return false
	}
	before := s.Text[s.at-1]
	switch b := s.next(); {
	case b == s.ends[s.Depth-1]:
		s.at++
		s.Depth--
		return false
	case before == '{' || before == '[': // no value ends like this
		return true
	case b == ',':
		s.at++
		return true
	}
	s.fail(ErrInvalid)
	return false
}

// Name reads the name of a member, and the colon behind it, as String does.
func (s *Scanner[T]) Name() (raw, says T) {
	raw, says = s.String()
	s.colon()
	return raw, says
}

func (s *Scanner[T]) colon() {
	if s.next() != ':' {
		s.fail(ErrInvalid)
		return
	}
	s.at++
}

// String reads a string: as it is written, with its quotes, and what it says. Bytes that are not UTF-8 stay.
func (s *Scanner[T]) String() (raw, says T) {
	raw, escaped := s.quoted()
	switch {
	case len(raw) == 0:
	case escaped:
		says = unescape(raw[1 : len(raw)-1])
	default:
		says = raw[1 : len(raw)-1]
	}
	return raw, says
}

func (s *Scanner[T]) quoted() (raw T, escaped bool) {
	if s.next() != '"' {
		s.fail(ErrInvalid)
		return raw, false
	}
	end, has := stringEnd(s.Text, s.at)
	if end < 0 || has&badEscape != 0 || has&control != 0 && !s.Lax {
		s.fail(ErrInvalid)
		return raw, false
	}
	raw = s.Text[s.at:end]
	s.at = end
	return raw, has&escape != 0
}

// Literal reads a number, true, false or null, and returns it as it is written.
func (s *Scanner[T]) Literal() (raw T) {
	end := -1
	switch b := s.next(); b {
	case 't':
		end = s.word("true")
	case 'f':
		end = s.word("false")
	case 'n':
		end = s.word("null")
	default:
		end = numberEnd(s.Text, s.at)
	}
	if end < 0 {
		s.fail(ErrInvalid)
		return raw
	}
	raw = s.Text[s.at:end]
	s.at = end
	return raw
}

func (s *Scanner[T]) word(word string) int {
	end := s.at + len(word)
	if end > len(s.Text) || string(s.Text[s.at:end]) != word {
		return -1
	}
	return end
}

// Skip steps over a value.
func (s *Scanner[T]) Skip() {
	for outside := s.Depth; s.err == nil; {
		switch s.next() {
		case '{', '[':
			s.Enter()
		case '"':
			s.quoted()
		default:
			s.Literal()
		}
		for s.Depth > outside && !s.More() {
			if s.err != nil {
				return
			}
		}
		if s.Depth == outside {
			return
		}
		if s.ends[s.Depth-1] == '}' {
			s.quoted()
			s.colon()
		}
	}
}

// End returns the first error; white space is all that may follow.
func (s *Scanner[T]) End() error {
	if s.next(); s.at != len(s.Text) {
		s.fail(ErrInvalid)
	}
	return s.err
}

// Err returns the first error.
func (s *Scanner[T]) Err() error { return s.err }

func (s *Scanner[T]) fail(err error) {
	if s.err == nil {
		s.err = err
	}
	s.at = len(s.Text)
}

// next skips white space, and returns the byte behind it; 0, which no JSON begins with, at the end.
func (s *Scanner[T]) next() byte {
	for ; s.at < len(s.Text); s.at++ {
		if b := s.Text[s.at]; b > ' ' || b != ' ' && b != '\t' && b != '\n' && b != '\r' {
			return b
		}
	}
	return 0
}

// numberEnd returns where the number that begins at a place ends; -1 if none does.
func numberEnd[T Text](text T, at int) int {
	if at < len(text) && text[at] == '-' {
		at++
	}
	whole := digitsEnd(text, at)
	if whole == at || text[at] == '0' && whole > at+1 {
		return -1
	}
	if at = whole; at < len(text) && text[at] == '.' {
		if at = digitsEnd(text, at+1); at == whole+1 {
			return -1
		}
	}
	if at < len(text) && text[at]|0x20 == 'e' {
		if at++; at < len(text) && (text[at] == '+' || text[at] == '-') {
			at++
		}
		from := at
		if at = digitsEnd(text, at); at == from {
			return -1
		}
	}
	return at
}

func digitsEnd[T Text](text T, at int) int {
	for at < len(text) && text[at]-'0' < 10 {
		at++
	}
	return at
}
