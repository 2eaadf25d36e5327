// Package jsontext scans and writes JSON as text. Values are slices of the text and never decoded, so that every digit of a number, the
// order of members and all escapes stay. All packages scan JSON, write strings and bound nesting with it. It imports the standard library
// alone. Nothing here knows what a text means.
package jsontext

import (
	"errors"
	"fmt"
)

// MaxDepth bounds the nesting of objects and lists, the outermost included. Ruby's JSON parser accepts no more by default; what CRMs send
// has less than ten levels.
const MaxDepth = 100

// The errors of Check and Scanner.
var (
	ErrInvalid = errors.New("not valid JSON")
	ErrDepth   = fmt.Errorf("nested deeper than %d levels", MaxDepth)
)

// Kind is a type of JSON values, by a byte with which one may begin.
type Kind byte

// The kinds of values. None is not a value.
const (
	Object  Kind = '{'
	List    Kind = '['
	String  Kind = '"'
	Number  Kind = '0'
	Boolean Kind = 't'
	Null    Kind = 'n'
	None    Kind = 0
)

// Check returns ErrInvalid unless text is valid JSON (encoding/json.Valid), or ErrDepth if it nests deeper than MaxDepth. It stops at the
// first error.
func Check[T Text](text T) error {
	s := Scanner[T]{Text: text}
	s.Skip()
	return s.End()
}

// Scanner scans a JSON text once. After the first error Kind returns None, More false, and Err the error.
//
//	for s.Enter(); s.More(); { // the members of an object
//		_, name := s.Name()
//		s.Skip() // or Enter, String, Literal
//	}
//	err := s.End()
type Scanner[T Text] struct {
	Text  T
	Depth int  // objects and lists around the next value; set it first to those that will be around Text
	Lax   bool // accept control characters in strings, which people type

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

// Enter steps into an object or a list.
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

// More reports whether the object or list has another member or entry, and steps to it. At the end it steps out.
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
	case before == '{' || before == '[': // no value ends with these
		return true
	case b == ',':
		s.at++
		return true
	}
	s.fail(ErrInvalid)
	return false
}

// Name scans the name of a member as String does, and the colon behind it.
func (s *Scanner[T]) Name() (raw, decoded T) {
	raw, decoded = s.String()
	s.colon()
	return raw, decoded
}

func (s *Scanner[T]) colon() {
	if s.next() != ':' {
		s.fail(ErrInvalid)
		return
	}
	s.at++
}

// String scans a string, and returns it verbatim, with its quotes, and decoded. Bytes that are not UTF-8 stay.
func (s *Scanner[T]) String() (raw, decoded T) {
	s.next()
	start := s.at
	escaped := s.quoted()
	if s.err != nil {
		return raw, decoded
	}
	raw, decoded = s.Text[start:s.at], s.Text[start+1:s.at-1]
	if escaped {
		decoded = unescape(decoded)
	}
	return raw, decoded
}

// quoted scans a string, and reports whether it has escapes.
func (s *Scanner[T]) quoted() (escaped bool) {
	if s.next() != '"' {
		s.fail(ErrInvalid)
		return false
	}
	end, has := stringEnd(s.Text, s.at)
	if end < 0 || has&badEscape != 0 || has&control != 0 && !s.Lax {
		s.fail(ErrInvalid)
		return false
	}
	s.at = end
	return has&escape != 0
}

// Literal scans a number, true, false or null, and returns it verbatim.
func (s *Scanner[T]) Literal() (raw T) {
	var end int
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

// Skip scans a value of any kind.
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

// End returns the first error, or ErrInvalid if more than white space follows.
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

// next skips white space and returns the byte behind it; 0 at the end.
func (s *Scanner[T]) next() byte {
	for ; s.at < len(s.Text); s.at++ {
		if b := s.Text[s.at]; b > ' ' || b != ' ' && b != '\t' && b != '\n' && b != '\r' {
			return b
		}
	}
	return 0
}

// numberEnd returns the end of the number at an offset; -1 if there is none.
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
