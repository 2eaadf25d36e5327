package body

import (
	"bytes"
	"encoding/json"
	"iter"
	"strings"
	"unicode/utf8"
)

// Members yields the members of a JSON object in their order: each name as it reads, and the value as it is written. A
// name that is given twice comes twice. The object must be what json.Valid takes, in UTF-8; what is no object has none.
func Members(object []byte) iter.Seq2[[]byte, json.RawMessage] {
	return func(yield func([]byte, json.RawMessage) bool) {
		at := skipSpace(object, 0)
		if at == len(object) || object[at] != '{' {
			return
		}
		for at = skipSpace(object, at+1); at < len(object) && object[at] == '"'; at = skipSpace(object, at+1) {
			quoted := object[at:valueEnd(object, at)]
			at = skipSpace(object, at+len(quoted))
			at = skipSpace(object, at+1) // behind the colon
			end := valueEnd(object, at)
			if at >= end || !yield(unquote(quoted), object[at:end]) {
				return
			}
			at = skipSpace(object, end) // at the comma
		}
	}
}

// Entries yields the entries of a JSON list in their order, as they are written. The list must be what json.Valid takes;
// what is no list has none.
func Entries(list []byte) iter.Seq[json.RawMessage] {
	return func(yield func(json.RawMessage) bool) {
		at := skipSpace(list, 0)
		if at == len(list) || list[at] != '[' {
			return
		}
		for at = skipSpace(list, at+1); at < len(list) && list[at] != ']'; at = skipSpace(list, at+1) {
			end := valueEnd(list, at)
			if at >= end || !yield(list[at:end]) {
				return
			}
			at = skipSpace(list, end)
		}
	}
}

// StringOf returns what a JSON string says; ok is false for any other value. It must be what json.Valid takes, in UTF-8.
func StringOf(raw []byte) (s string, ok bool) {
	if len(raw) < 2 || raw[0] != '"' {
		return "", false
	}
	return string(unquote(raw)), true
}

// IsInteger reports whether a JSON value is a whole number of up to 30 digits.
func IsInteger(raw []byte) bool {
	digits := bytes.TrimPrefix(raw, []byte("-"))
	for _, b := range digits {
		if b < '0' || b > '9' {
			return false
		}
	}
	return len(digits) >= 1 && len(digits) <= 30
}

// JSONString returns s as a JSON string, without the escapes that only HTML needs.
func JSONString(s string) json.RawMessage { return AppendJSONString(make([]byte, 0, len(s)+2), s) }

// AppendJSONString appends what JSONString returns.
func AppendJSONString(to []byte, s string) []byte {
	if needsNoEscapes(s) {
		return append(append(append(to, '"'), s...), '"')
	}
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	_ = encoder.Encode(s) // a string always encodes
	return append(to, bytes.TrimRight(out.Bytes(), "\n")...)
}

func needsNoEscapes(s string) bool {
	ascii := true
	for i := range len(s) {
		switch b := s[i]; {
		case b < ' ' || b == '"' || b == '\\':
			return false
		case b >= utf8.RuneSelf:
			ascii = false
		}
	}
	return ascii || utf8.ValidString(s) && !strings.ContainsAny(s, "\u2028\u2029")
}

// unquote returns what a string says that json.Valid takes.
func unquote(quoted []byte) []byte {
	inner := quoted[1:max(1, len(quoted)-1)]
	if bytes.IndexByte(inner, '\\') < 0 {
		return inner
	}
	var s string
	_ = json.Unmarshal(quoted, &s) // it is valid
	return []byte(s)
}

func skipSpace(raw []byte, at int) int {
	for at < len(raw) && (raw[at] == ' ' || raw[at] == '\t' || raw[at] == '\r' || raw[at] == '\n') {
		at++
	}
	return min(at, len(raw))
}

// valueEnd returns where the value ends that begins at a place of valid JSON.
func valueEnd(raw []byte, at int) int {
	for depth := 0; at < len(raw); at++ {
		switch raw[at] {
		case '"':
			at = stringEnd(raw, at)
			if depth == 0 {
				return min(at+1, len(raw))
			}
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth < 0 {
				return at
			}
			if depth == 0 {
				return at + 1
			}
		case ',', ':', ' ', '\t', '\r', '\n':
			if depth == 0 {
				return at
			}
		}
	}
	return len(raw)
}

// stringEnd returns the place of the quote that ends a string which begins at a place.
func stringEnd(raw []byte, at int) int {
	for at++; at < len(raw); at++ {
		next := bytes.IndexByte(raw[at:], '"')
		if next < 0 {
			return len(raw)
		}
		at += next
		before := bytes.TrimRight(raw[at-next:at], `\`)
		if (next-len(before))%2 == 0 {
			return at
		}
	}
	return len(raw)
}
