package transform

import (
	"encoding/json"
	"strings"
)

// ends reports whether a literal ends before b.
func ends(b byte) bool {
	switch b {
	case ' ', '\t', '\r', '\n', ',', ']', '}':
		return true
	}
	return false
}

// isWhole reports whether raw is surely a number; most are whole.
func isWhole(raw string) bool {
	if raw == "" || raw[0] == '0' {
		return false
	}
	for i := range len(raw) {
		if raw[i] < '0' || raw[i] > '9' {
			return false
		}
	}
	return true
}

// scanString reads a string: what it says, and how it is written.
func (w *walk) scanString() (s, raw string, err error) {
	if w.peek() != '"' {
		return "", "", errNotJSON
	}
	start := w.at
	end := strings.IndexByte(w.in[start+1:], '"')
	if end < 0 {
		return "", "", errNotJSON
	}
	if s = w.in[start+1 : start+1+end]; strings.IndexByte(s, '\\') < 0 {
		w.at += end + 2
		return s, w.in[start:w.at], nil
	}
	for w.at++; w.at < len(w.in) && w.in[w.at] != '"'; w.at++ {
		if w.in[w.at] == '\\' {
			w.at++
		}
	}
	if w.at >= len(w.in) {
		return "", "", errNotJSON
	}
	w.at++
	raw = w.in[start:w.at]
	s, err = unquote(raw)
	return s, raw, err
}

func unquote(raw string) (string, error) {
	var s string
	if json.Unmarshal([]byte(raw), &s) != nil {
		return "", errNotJSON
	}
	return s, nil
}

func (w *walk) space() {
	for w.at < len(w.in) && (w.in[w.at] == ' ' || w.in[w.at] == '\n' || w.in[w.at] == '\t' || w.in[w.at] == '\r') {
		w.at++
	}
}

func (w *walk) peek() byte {
	if w.at < len(w.in) {
		return w.in[w.at]
	}
	return 0
}

func (w *walk) skip(b byte) bool {
	if w.peek() == b {
		w.at++
		return true
	}
	return false
}
