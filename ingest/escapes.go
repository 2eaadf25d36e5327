package ingest

import "strings"

// Unescape decodes a name or a value of a form or a URL: + is a space, and a % without two hexadecimal digits is kept
// (https://url.spec.whatwg.org/#percent-decode). The result may be in any charset.
func Unescape(text string) string {
	if !strings.ContainsAny(text, "%+") {
		return text
	}
	var plain strings.Builder
	plain.Grow(len(text))
	for at := 0; at < len(text); {
		b, size := EscapedByte(text, at)
		plain.WriteByte(b)
		at += size
	}
	return plain.String()
}

// EscapedByte decodes the byte at an offset of a form's text, and returns how many bytes of the text encode it.
func EscapedByte(text string, at int) (b byte, size int) {
	switch {
	case text[at] == '+':
		return ' ', 1
	case text[at] == '%' && at+2 < len(text):
		high, low := hexDigit(text[at+1]), hexDigit(text[at+2])
		if high >= 0 && low >= 0 {
			return byte(high<<4 | low), 3
		}
	}
	return text[at], 1
}

// hexDigit returns the value of a hexadecimal digit; -1 for any other byte.
func hexDigit(b byte) int {
	switch {
	case b >= '0' && b <= '9':
		return int(b - '0')
	case b >= 'a' && b <= 'f':
		return int(b-'a') + 10
	case b >= 'A' && b <= 'F':
		return int(b-'A') + 10
	}
	return -1
}
