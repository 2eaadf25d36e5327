package transform

import (
	"html"
	"strconv"
	"strings"
	"unicode/utf16"
	"unicode/utf8"
)

// decoder appends the character that is encoded at the start of s to a buffer, and returns the size of its encoding; 0 if none is.
type decoder func(to []byte, s string) (decoded []byte, size int)

// begins has the bytes with which an encoded character begins.
var begins = [256]bool{'%': true, '&': true, '\\': true}

// escape decodes a percent-encoded byte, an entity or an escape of JSON.
func escape(to []byte, s string) ([]byte, int) {
	switch s[0] {
	case '%':
		return percent(to, s)
	case '&':
		return entity(to, s)
	case '\\':
		return backslash(to, s)
	}
	return to, 0
}

func percent(to []byte, s string) ([]byte, int) {
	if s[0] != '%' {
		return to, 0
	}
	if code, ok := hexOf(s, 1, 2); ok {
		return append(to, byte(code)), 3
	}
	return to, 0
}

// longestEntity exceeds the name of any entity, and numbers with leading zeros.
const longestEntity = 40

// entity decodes named entities such as &amp;, &#38; and &#x26;.
func entity(to []byte, s string) ([]byte, int) {
	end := strings.IndexByte(s[:min(len(s), longestEntity)], ';')
	if end < 3 {
		return to, 0
	}
	name := s[:end+1]
	if name[1] != '#' {
		if plain := html.UnescapeString(name); plain != name && (len(plain) == 1 || !strings.HasSuffix(plain, ";")) {
			return append(to, plain...), len(name)
		}
		return to, 0
	}
	digits, base := name[2:end], 10
	if digits[0] == 'x' || digits[0] == 'X' {
		digits, base = digits[1:], 16
	}
	code, err := strconv.ParseUint(digits, base, 21)
	if err != nil {
		return to, 0
	}
	return utf8.AppendRune(to, rune(code)), len(name)
}

// backslash decodes an escape of JSON or JavaScript.
func backslash(to []byte, s string) ([]byte, int) {
	if len(s) < 2 || s[0] != '\\' {
		return to, 0
	}
	switch s[1] {
	case '"', '\\', '/', '\'':
		return append(to, s[1]), 2
	case 'n', 'r', 't', 'b', 'f':
		return append(to, "\n\r\t\b\f"[strings.IndexByte("nrtbf", s[1])]), 2
	case 'x':
		if code, ok := hexOf(s, 2, 2); ok {
			return utf8.AppendRune(to, code), 4
		}
	case 'u':
		high, ok := hexOf(s, 2, 4)
		if !ok {
			return to, 0
		}
		if low, ok := hexOf(s, 8, 4); ok && s[6:8] == `\u` && utf16.IsSurrogate(high) {
			return utf8.AppendRune(to, utf16.DecodeRune(high, low)), 12
		}
		return utf8.AppendRune(to, high), 6
	}
	return to, 0
}

// hexOf returns the number of so many hexadecimal digits.
func hexOf(s string, start, digits int) (code rune, ok bool) {
	if len(s) < start+digits {
		return 0, false
	}
	for i := start; i < start+digits; i++ {
		switch b := s[i]; {
		case b >= '0' && b <= '9':
			code = code<<4 | rune(b-'0')
		case b|0x20 >= 'a' && b|0x20 <= 'f':
			code = code<<4 | rune(b|0x20-'a'+10)
		default:
			return 0, false
		}
	}
	return code, true
}
