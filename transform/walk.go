package transform

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
)

// deepest is how far JSON may nest.
const deepest = 100

var errNotJSON = errors.New("not valid JSON")

// walk goes through a JSON text once. It writes what may be kept to out; when finding it writes nothing, and gathers
// what stands under secret names.
type walk struct {
	cleaner *Cleaner
	present []needle // secrets that stand in the text
	in      string
	at      int
	out     []byte
	steps   []string // names from the root to here, as patterns see them
	finding bool
	found   []string
	secret  bool // below a secret name
	record  bool // in a record of the CRM's
	depth   int
}

const byteOrderMark = "\ufeff"

// write appends what may be kept of a JSON text to out: a body, or the values of a record.
func (c *Cleaner) write(out []byte, text string, values bool) ([]byte, error) {
	var steps [8]string
	w := walk{cleaner: c, present: c.inJSON(text), in: strings.TrimPrefix(text, byteOrderMark), out: out, steps: steps[:0]}
	if values {
		w.steps = append(w.steps, c.places.ValuesAt...)
		w.record = len(w.steps) == 0 || matchesAny(c.places.records, w.steps)
	}
	if err := w.run(); err != nil {
		return nil, err
	}
	return w.out, nil
}

// find adds to found what the text shows under secret names; what it found before an error counts too.
func (c *Cleaner) find(text string, found []string) []string {
	var steps [8]string
	w := walk{cleaner: c, in: strings.TrimPrefix(text, byteOrderMark), steps: steps[:0], finding: true, found: found}
	_ = w.run()
	return w.found
}

func (w *walk) run() error {
	if err := w.value(); err != nil {
		return err
	}
	if w.space(); w.at != len(w.in) {
		return errNotJSON
	}
	return nil
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
		w.steps = append(w.steps, step(name))
		w.space()
		w.record = record || matchesAny(w.cleaner.places.records, w.steps)
		w.secret = outer || !w.record && w.cleaner.secretName(name, w.steps, w.peek() == '{')
		if !w.secret {
			if n > 0 && !w.finding && w.out[len(w.out)-1] != '{' {
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
	for w.at < len(w.in) && !ends(w.in[w.at]) {
		w.at++
	}
	raw := w.in[start:w.at]
	switch {
	case !isWhole(raw) && !json.Valid([]byte(raw)):
		return errNotJSON
	case w.finding && w.secret:
		w.found = append(w.found, raw)
	case w.finding:
	case slices.ContainsFunc(w.present, func(n needle) bool { return n.text == raw }):
		w.out = quote(w.out, mask)
	default:
		w.out = append(w.out, raw...)
	}
	return nil
}

func (w *walk) writeString(s, raw string) {
	if w.finding {
		if w.secret && s != "" {
			w.found = append(w.found, s)
		}
		if w.depth == 1 {
			w.found = append(w.found, w.cleaner.places.namedIn(s)...)
		}
		return
	}
	if w.secret {
		return // what stands below a secret's name is not kept
	}
	var spans []span
	if w.depth == 1 { // a body that is text
		spans = w.cleaner.places.named(s, spans)
	}
	each(s, func(l layer) { spans = l.secrets(w.cleaner.looks, w.present, false, spans) })
	if len(spans) > 0 {
		w.out = quote(w.out, cut(s, spans))
		return
	}
	w.out = append(w.out, raw...)
}

func (w *walk) write(b byte) {
	if !w.finding {
		w.out = append(w.out, b)
	}
}
