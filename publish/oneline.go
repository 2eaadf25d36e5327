package publish

import "encoding/binary"

// oneLine reports whether a text is one JSON object without a line break in it, as json.Valid would say, but several times
// as fast. It says no to what is nested too deeply.
func oneLine(text []byte) bool {
	s := &scan{text: text}
	return s.space() == '{' && s.value(deepest) && s.space() == 0 && s.at == len(text)
}

// deepest is how deep an object may be nested.
const deepest = 500

// scan is a place in a text.
type scan struct {
	text []byte
	at   int
}

// space returns the next byte that is neither a space nor a tab, and 0 at the end.
func (s *scan) space() byte {
	for s.at < len(s.text) {
		if b := s.text[s.at]; b != ' ' && b != '\t' {
			return b
		}
		s.at++
	}
	return 0
}

func (s *scan) value(deep int) bool {
	if deep == 0 {
		return false
	}
	switch s.space() {
	case '"':
		return s.string()
	case '{':
		return s.list('}', deep)
	case '[':
		return s.list(']', deep)
	case 't':
		return s.word("true")
	case 'f':
		return s.word("false")
	case 'n':
		return s.word("null")
	default:
		return s.number()
	}
}

// list reads an object, or an array, up to its end.
func (s *scan) list(end byte, deep int) bool {
	s.at++
	if s.space() == end {
		s.at++
		return true
	}
	for {
		if end == '}' {
			if s.space() != '"' || !s.string() || s.space() != ':' {
				return false
			}
			s.at++
		}
		if !s.value(deep - 1) {
			return false
		}
		switch s.space() {
		case ',':
			s.at++
		case end:
			s.at++
			return true
		default:
			return false
		}
	}
}

func (s *scan) word(word string) bool {
	if len(s.text)-s.at < len(word) || string(s.text[s.at:s.at+len(word)]) != word {
		return false
	}
	s.at += len(word)
	return true
}

// string reads a string from its quote on.
func (s *scan) string() bool {
	text, at := s.text, s.at+1
	for {
		// Eight bytes at once, as long as none of them is a quote, a backslash or a control character.
		for at+8 <= len(text) && plain(binary.LittleEndian.Uint64(text[at:])) {
			at += 8
		}
		if at >= len(text) {
			return false
		}
		switch b := text[at]; {
		case b == '"':
			s.at = at + 1
			return true
		case b < ' ':
			return false
		case b == '\\':
			n := escape(text[at+1:])
			if n == 0 {
				return false
			}
			at += 1 + n
		default:
			at++
		}
	}
}

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// plain reports whether eight bytes of a string mean just themselves. Of some others it says no too: those beyond ASCII.
func plain(word uint64) bool {
	quote, backslash := word^ones*'"', word^ones*'\\'
	return ((quote-ones)|(backslash-ones)|(word-ones*' ')|word)&highs == 0
}

// escape returns the length of what follows a backslash; 0: nothing that may.
func escape(text []byte) int {
	if len(text) == 0 {
		return 0
	}
	switch text[0] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 1
	case 'u':
		for i := 1; i <= 4; i++ {
			if i >= len(text) || !isHex(text[i]) {
				return 0
			}
		}
		return 5
	}
	return 0
}

func isHex(b byte) bool {
	return b >= '0' && b <= '9' || b >= 'a' && b <= 'f' || b >= 'A' && b <= 'F'
}

func (s *scan) number() bool {
	if s.at < len(s.text) && s.text[s.at] == '-' {
		s.at++
	}
	if s.at < len(s.text) && s.text[s.at] == '0' {
		s.at++
	} else if !s.digits() {
		return false
	}
	if s.at < len(s.text) && s.text[s.at] == '.' {
		if s.at++; !s.digits() {
			return false
		}
	}
	if s.at < len(s.text) && (s.text[s.at] == 'e' || s.text[s.at] == 'E') {
		if s.at++; s.at < len(s.text) && (s.text[s.at] == '+' || s.text[s.at] == '-') {
			s.at++
		}
		return s.digits()
	}
	return true
}

func (s *scan) digits() bool {
	from := s.at
	for s.at < len(s.text) && s.text[s.at] >= '0' && s.text[s.at] <= '9' {
		s.at++
	}
	return s.at > from
}
