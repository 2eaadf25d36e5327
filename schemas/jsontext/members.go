package jsontext

import (
	"encoding/json"
	"iter"
)

// Members yields the members of an object in order: each name decoded, each value verbatim, and duplicates too. Other values have none. The
// object must have passed Check: of a broken text Members yields what can be found, and the values may be broken.
func Members(object []byte) iter.Seq2[[]byte, json.RawMessage] {
	return func(yield func([]byte, json.RawMessage) bool) {
		at := skipSpace(object, 0)
		if at == len(object) || object[at] != '{' {
			return
		}
		for at = skipSpace(object, at+1); at < len(object) && object[at] == '"'; at = skipSpace(object, at+1) {
			end, has := stringEnd(object, at)
			if end < 0 {
				return
			}
			name := object[at+1 : end-1]
			if has&badEscape != 0 {
				name = nil
			} else if has&escape != 0 {
				name = unescape(name)
			}
			at = skipSpace(object, end)
			at = skipSpace(object, at+1) // behind the colon
			end = valueEnd(object, at)
			if at >= end || !yield(name, object[at:end]) {
				return
			}
			at = skipSpace(object, end) // at the comma
		}
	}
}

// Entries yields the entries of a list in order, verbatim. Other values have none. The list must have passed Check, as for Members.
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

func skipSpace(text []byte, at int) int {
	for at < len(text) && (text[at] == ' ' || text[at] == '\t' || text[at] == '\r' || text[at] == '\n') {
		at++
	}
	return min(at, len(text))
}

// valueEnd returns the end of the value at an offset. It only matches quotes and brackets.
func valueEnd(text []byte, at int) int {
	for depth := 0; at < len(text); at++ {
		switch text[at] {
		case '"':
			end, _ := stringEnd(text, at)
			if end < 0 {
				return len(text)
			}
			if depth == 0 {
				return end
			}
			at = end - 1
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
	return len(text)
}
