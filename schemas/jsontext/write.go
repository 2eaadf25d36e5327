package jsontext

import (
	"encoding/json"
	"math/bits"
	"unicode/utf8"
)

// Quote returns s as a JSON string, as AppendString writes it.
func Quote(s string) json.RawMessage { return AppendString(make([]byte, 0, len(s)+2), s) }

// AppendString appends s as a JSON string with the escapes that JSON requires. Each byte that is not UTF-8 becomes U+FFFD.
func AppendString(to []byte, s string) []byte {
	to = append(to, '"')
	start := 0 // of what is not copied yet
	for at := plainEnd(s, 0); at < len(s); at = plainEnd(s, at) {
		b := s[at]
		if b >= utf8.RuneSelf {
			if r, size := utf8.DecodeRuneInString(s[at:]); r != utf8.RuneError || size > 1 {
				at += size
				continue
			}
		}
		to = appendEscape(append(to, s[start:at]...), b)
		at++
		start = at
	}
	return append(append(to, s[start:]...), '"')
}

// plainEnd returns the offset, from at on, of the first byte of s that is not ASCII or needs an escape.
func plainEnd(s string, at int) int {
	for ; len(s)-at >= 8; at += 8 {
		word := load(s, at)
		if special := specials(word) | word&highs; special != 0 {
			return at + bits.TrailingZeros64(special)/8
		}
	}
	for at < len(s) && s[at] >= ' ' && s[at] != '"' && s[at] != '\\' && s[at] < utf8.RuneSelf {
		at++
	}
	return at
}

func appendEscape(to []byte, b byte) []byte {
	const hex = "0123456789abcdef"
	switch b {
	case '"', '\\':
		return append(to, '\\', b)
	case '\n':
		return append(to, `\n`...)
	case '\r':
		return append(to, `\r`...)
	case '\t':
		return append(to, `\t`...)
	}
	if b >= utf8.RuneSelf {
		return append(to, "\ufffd"...)
	}
	return append(to, '\\', 'u', '0', '0', hex[b>>4], hex[b&15])
}

// AppendComma appends a comma, unless to ends with the start of an object or a list. Otherwise to must end with a whole value.
func AppendComma(to []byte) []byte {
	if last := to[len(to)-1]; last == '{' || last == '[' {
		return to
	}
	return append(to, ',')
}

// AppendName appends the name of a member and a colon, after AppendComma.
func AppendName(to []byte, name string) []byte {
	return append(AppendString(AppendComma(to), name), ':')
}

// AppendMember appends a member whose value is a string, after AppendComma. The name must need no escapes.
func AppendMember(to []byte, name, value string) []byte {
	to = append(append(AppendComma(to), '"'), name...)
	return AppendString(append(to, '"', ':'), value)
}
