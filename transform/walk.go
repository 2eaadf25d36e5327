package transform

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"
	"strings"
)

// deepest is how far JSON may nest.
const deepest = 100

var errNotJSON = errors.New("not valid JSON")

// walk goes through a JSON text once. It writes what may be kept to out; with found set it writes nothing, and gathers
// the strings that stand under secret names.
type walk struct {
	cleaner *Cleaner
	in      []byte
	at      int
	out     []byte
	steps   []string // names from the root to here, in lower case
	found   *[]string
	secret  bool // below a secret name
	record  bool // in a record of the CRM's
	depth   int
}

func (w *walk) run() ([]byte, error) {
	w.in = bytes.TrimPrefix(w.in, []byte("\ufeff"))
	if err := w.value(); err != nil {
		return nil, err
	}
	if w.space(); w.at != len(w.in) {
		return nil, errNotJSON
	}
	return w.out, nil
}

func (w *walk) value() error {
	if w.depth++; w.depth > deepest {
		return errors.New("nested deeper than 100 levels")
	}
	defer func() { w.depth-- }()
	w.space()
	switch {
	case w.at >= len(w.in):
		return errNotJSON
	case w.in[w.at] == '{':
		return w.object()
	case w.in[w.at] == '[':
		return w.array()
	case w.in[w.at] == '"':
		s, raw, err := w.scanString()
		if err == nil {
			w.writeString(s, raw)
		}
		return err
	}
	return w.literal()
}

func (w *walk) object() error {
	w.write('{')
	w.at++
	for n := 0; ; {
		if w.space(); w.peek() == '}' && n == 0 {
			break
		}
		name, raw, err := w.scanString()
		if err != nil {
			return err
		}
		if w.space(); !w.skip(':') {
			return errNotJSON
		}
		outer, record, start := w.secret, w.record, len(w.out)
		w.steps = append(w.steps, strings.ToLower(name))
		w.secret = outer || !record && w.cleaner.secretName(w.steps)
		w.record = record || matchesAny(w.cleaner.secrets.Records, w.steps)
		if !w.secret {
			if n > 0 && w.out != nil && w.out[len(w.out)-1] != '{' {
				w.write(',')
			}
			w.writeString(name, raw)
			w.write(':')
		}
		if err := w.value(); err != nil {
			return err
		}
		if w.secret {
			w.out = w.out[:start]
		}
		w.secret, w.record, w.steps = outer, record, w.steps[:len(w.steps)-1]
		n++
		if w.space(); !w.skip(',') {
			break
		}
	}
	if !w.skip('}') {
		return errNotJSON
	}
	w.write('}')
	return nil
}

func (w *walk) array() error {
	w.write('[')
	w.at++
	for n := 0; ; n++ {
		if w.space(); w.peek() == ']' && n == 0 {
			break
		}
		if n > 0 {
			w.write(',')
		}
		if err := w.value(); err != nil {
			return err
		}
		if w.space(); !w.skip(',') {
			break
		}
	}
	if !w.skip(']') {
		return errNotJSON
	}
	w.write(']')
	return nil
}

// literal copies a number, true, false or null; a number that is a known secret is masked.
func (w *walk) literal() error {
	start := w.at
	for w.at < len(w.in) && !bytes.ContainsRune([]byte(" \t\r\n,]}"), rune(w.in[w.at])) {
		w.at++
	}
	raw := w.in[start:w.at]
	if !json.Valid(raw) {
		return errNotJSON
	}
	if w.found != nil {
		if w.secret {
			*w.found = append(*w.found, string(raw))
		}
		return nil
	}
	if slices.Contains(w.cleaner.values, string(raw)) {
		w.out = quote(w.out, mask)
		return nil
	}
	w.out = append(w.out, raw...)
	return nil
}

// scanString reads a string: what it says, and how it is written.
func (w *walk) scanString() (s string, raw []byte, err error) {
	if w.peek() != '"' {
		return "", nil, errNotJSON
	}
	start, escaped := w.at, false
	for w.at++; w.at < len(w.in) && w.in[w.at] != '"'; w.at++ {
		if w.in[w.at] == '\\' {
			escaped = true
			w.at++
		}
	}
	if w.at >= len(w.in) {
		return "", nil, errNotJSON
	}
	w.at++
	raw = w.in[start:w.at]
	if !escaped {
		return string(raw[1 : len(raw)-1]), raw, nil
	}
	if json.Unmarshal(raw, &s) != nil {
		return "", nil, errNotJSON
	}
	return s, raw, nil
}

func (w *walk) writeString(s string, raw []byte) {
	if w.found != nil {
		if w.secret && s != "" {
			*w.found = append(*w.found, s)
		}
		return
	}
	if clean := w.cleaner.Text(s); clean != s {
		w.out = quote(w.out, clean)
		return
	}
	w.out = append(w.out, raw...)
}

func (w *walk) write(b byte) {
	if w.found == nil {
		w.out = append(w.out, b)
	}
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
