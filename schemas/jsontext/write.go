package jsontext

import (
	"encoding/json"
	"math/bits"
	"unicode/utf8"
)

// Quote returns s as a JSON string, as AppendString writes it.
func Quote[T Text](s T) json.RawMessage { return AppendString(make([]byte, 0, len(s)+2), s) }

// AppendString appends s as a JSON string. Only what JSON demands is escaped; each byte that is not UTF-8 becomes U+FFFD.
func AppendString[T Text](to []byte, s T) []byte {
	const hex = "0123456789abcdef"
	to = append(to, '"')
	start := 0 // of what is copied verbatim
	for at := 0; at < len(s); {
		if at+8 <= len(s) {
			word := load(s, at)
			special := specials(word) | word&highs
			if special == 0 {
				at += 8
				continue
			}
			at += bits.TrailingZeros64(special) / 8
		}
		b, size := s[at], 1
		switch {
		case b >= utf8.RuneSelf:
			var r rune
			if r, size = utf8.DecodeRuneInString(string(s[at:min(at+utf8.UTFMax, len(s))])); r == utf8.RuneError && size == 1 {
				to = append(append(to, s[start:at]...), "\ufffd"...)
				start = at + 1
			}
		case b < ' ' || b == '"' || b == '\\':
			to = append(to, s[start:at]...)
			start = at + 1
			switch b {
			case '"', '\\':
				to = append(to, '\\', b)
			case '\n':
				to = append(to, `\n`...)
			case '\r':
				to = append(to, `\r`...)
			case '\t':
				to = append(to, `\t`...)
			default:
				to = append(to, '\\', 'u', '0', '0', hex[b>>4], hex[b&15])
			}
		}
		at += size
	}
	return append(append(to, s[start:]...), '"')
}

// AppendComma appends a comma, unless to ends where an object or a list begins.
func AppendComma(to []byte) []byte {
	if last := to[len(to)-1]; last == '{' || last == '[' {
		return to
	}
	return append(to, ',')
}

// AppendName appends a member's name with the colon behind it, and with a comma in front where AppendComma would.
func AppendName[T Text](to []byte, name T) []byte {
	return append(AppendString(AppendComma(to), name), ':')
}

// AppendMember appends a member whose value is a string.
func AppendMember[T Text](to []byte, name, value T) []byte {
	return AppendString(AppendName(to, name), value)
}
