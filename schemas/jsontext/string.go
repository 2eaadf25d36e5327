package jsontext

import (
	"math/bits"
	"unicode/utf16"
	"unicode/utf8"
)

// Text is a type that a JSON text may have.
type Text interface{ ~string | ~[]byte }

// What a string has.
const (
	escape    = 1 << iota // a backslash
	badEscape             // an invalid escape
	control               // a control character, which is invalid
)

// stringEnd returns the end of the string whose quote is at an offset, behind the next quote that is not escaped, and what the string has;
// -1 if it does not end.
func stringEnd[T Text](text T, at int) (end int, has uint8) {
	for at++; at < len(text); {
		if at+8 <= len(text) {
			special := specials(load(text, at))
			if special == 0 {
				at += 8
				continue
			}
			at += bits.TrailingZeros64(special) / 8
		}
		switch b := text[at]; {
		case b == '"':
			return at + 1, has
		case b == '\\':
			has |= escape
			if at+1 >= len(text) {
				return -1, has
			}
			if at++; !isEscape(text[at:]) {
				has |= badEscape
			}
		case b < ' ':
			has |= control
		}
		at++
	}
	return -1, has
}

func load[T Text](text T, at int) uint64 {
	t := text[at : at+8]
	return uint64(t[0]) | uint64(t[1])<<8 | uint64(t[2])<<16 | uint64(t[3])<<24 | uint64(t[4])<<32 | uint64(t[5])<<40 | uint64(t[6])<<48 | uint64(t[7])<<56
}

const (
	ones  = 0x0101010101010101
	highs = 0x8080808080808080
)

// specials returns the highest bit of each byte that is a quote, a backslash or a control character. Only the lowest of these bits is
// exact: a borrow may set one above it.
func specials(word uint64) uint64 {
	quote, backslash := word^ones*'"', word^ones*'\\'
	return ((quote-ones)&^quote | (backslash-ones)&^backslash | (word-ones*' ')&^word) & highs
}

// isEscape reports whether a text begins with the rest of a valid escape, behind its backslash.
func isEscape[T Text](text T) bool {
	switch text[0] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return true
	case 'u':
		return hex4(text[1:]) >= 0
	}
	return false
}

// hex4 returns the number of the four hexadecimal digits at the start of a text; -1 if there are fewer.
func hex4[T Text](text T) rune {
	if len(text) < 4 {
		return -1
	}
	var n rune
	for i := range 4 {
		switch b := text[i]; {
		case b >= '0' && b <= '9':
			n = n<<4 | rune(b-'0')
		case b|0x20 >= 'a' && b|0x20 <= 'f':
			n = n<<4 | rune(b|0x20-'a'+10)
		default:
			return -1
		}
	}
	return n
}

// unescape decodes a string with valid escapes, without its quotes. Half a surrogate pair becomes U+FFFD.
func unescape[T Text](inner T) T {
	out := make([]byte, 0, len(inner))
	for at := 0; at < len(inner); at++ {
		start := at
		for at < len(inner) && inner[at] != '\\' {
			at++
		}
		if out = append(out, inner[start:at]...); at == len(inner) {
			break
		}
		at++
		switch b := inner[at]; b {
		case 'b':
			out = append(out, '\b')
		case 'f':
			out = append(out, '\f')
		case 'n':
			out = append(out, '\n')
		case 'r':
			out = append(out, '\r')
		case 't':
			out = append(out, '\t')
		case 'u':
			r := hex4(inner[at+1:])
			at += 4
			if utf16.IsSurrogate(r) {
				r = utf8.RuneError
				if rest := inner[at+1:]; len(rest) >= 6 && rest[0] == '\\' && rest[1] == 'u' {
					if pair := utf16.DecodeRune(hex4(inner[at-3:]), hex4(rest[2:])); pair != utf8.RuneError {
						r = pair
						at += 6
					}
				}
			}
			out = utf8.AppendRune(out, r)
		default:
			out = append(out, b)
		}
	}
	return T(out)
}

// StringOf decodes a JSON string; ok is false for anything else.
func StringOf(raw []byte) (s string, ok bool) {
	text, ok := BytesOf(raw)
	return string(text), ok
}

// BytesOf is StringOf without a copy: of a string that has no escapes it returns a part of raw.
func BytesOf(raw []byte) (text []byte, ok bool) {
	if len(raw) == 0 || raw[0] != '"' {
		return nil, false
	}
	end, has := stringEnd(raw, 0)
	if end != len(raw) || has&(badEscape|control) != 0 {
		return nil, false
	}
	if text = raw[1 : end-1]; has&escape != 0 {
		text = unescape(text)
	}
	return text, true
}
