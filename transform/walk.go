package transform

import (
	"slices"
	"strings"

	"github.com/crm-bridge/crm-bridge/schemas/jsontext"
)

// walk scans a JSON text once. It writes what may be kept to out, and collects the values under secret names.
type walk struct {
	jsontext.Scanner[string]

	cleaner *cleaner
	out     []byte
	steps   []string // names from the root to here, as patterns see them, as far down as any is judged by them
	found   []string
	secret  bool // below a secret name: nothing is written
	record  bool // in a record of the CRM
}

// usualSteps is a depth that few callbacks exceed.
const usualSteps = 8

const byteOrderMark = "\ufeff"

// json appends a JSON text to out: compact, without the members that hold secrets, with known secrets masked. Every number keeps its
// digits and every other member its place. It appends the values under secret names to found, also those before an error.
func (c *cleaner) json(out []byte, text string, found []string) ([]byte, []string, error) {
	w := walk{Scanner: scanner(text), cleaner: c, out: out, found: found, steps: make([]string, 0, min(c.rules.deepest, usualSteps))}
	w.value()
	return w.out, w.found, w.End()
}

// record appends raw, the values of a record, to out. No name in it is a secret's, except what the source hides where records stand in a
// body.
func (c *cleaner) record(out, raw []byte) ([]byte, error) {
	w := walk{Scanner: scanner(string(raw)), cleaner: c, out: out, steps: slices.Clip(c.rules.ValuesAt)}
	w.record = len(w.steps) == 0 || matchesAny(c.rules.records, w.steps)
	w.value()
	return w.out, w.End()
}

func scanner(text string) jsontext.Scanner[string] {
	return jsontext.Scanner[string]{Text: strings.TrimPrefix(text, byteOrderMark), Lax: true}
}

func (w *walk) value() {
	switch w.Kind() {
	case jsontext.Object:
		w.object()
	case jsontext.List:
		w.list()
	case jsontext.String:
		raw, decoded := w.String()
		w.text(raw, decoded, w.Depth == 0)
	default:
		w.literal()
	}
}

func (w *walk) object() {
	w.out = append(w.out, '{')
	for w.Enter(); w.More(); {
		raw, name := w.Name()
		if w.Err() != nil {
			return
		}
		secret, record, steps, start := w.secret, w.record, w.steps, len(w.out)
		if !secret && !record { // else no name below is judged
			w.judge(name)
		}
		if !w.secret {
			w.out = jsontext.AppendComma(w.out)
			w.text(raw, name, w.Depth == 1)
			w.out = append(w.out, ':')
		}
		w.value()
		if w.secret {
			w.out = w.out[:start]
		}
		w.secret, w.record, w.steps = secret, record, steps
	}
	w.out = append(w.out, '}')
}

// judge steps to the value of a name, which may be a record, or secret.
func (w *walk) judge(name string) {
	rules := w.cleaner.rules
	if len(w.steps) >= rules.deepest { // no path leads further down
		w.secret = isCredentialName(name)
		return
	}
	w.steps = append(w.steps, rules.known.step(name))
	w.record = matchesAny(rules.records, w.steps)
	w.secret = !w.record && w.cleaner.secretName(name, w.steps, w.Kind() == jsontext.Object)
}

func (w *walk) list() {
	w.out = append(w.out, '[')
	for w.Enter(); w.More(); {
		w.out = jsontext.AppendComma(w.out)
		w.value()
	}
	w.out = append(w.out, ']')
}

// literal copies a number, true, false or null; a number that is a known secret is masked.
func (w *walk) literal() {
	raw := w.Literal()
	switch {
	case w.Err() != nil:
	case w.secret:
		w.found = append(w.found, raw)
	case w.cleaner.configured.has(raw) || w.cleaner.shown.has(raw):
		w.out = jsontext.AppendString(w.out, mask)
	default:
		w.out = append(w.out, raw...)
	}
}

// text copies a name or a string without its secrets; outermost is set for a body that is a string, and for the names of one that is an
// object.
func (w *walk) text(raw, decoded string, outermost bool) {
	switch {
	case w.Err() != nil:
		return
	case w.secret:
		if decoded != "" {
			w.found = append(w.found, decoded)
		}
		return
	}
	if w.cleaner.unsearched {
		w.out = append(w.out, raw...)
		return
	}
	var spans []span
	if outermost {
		spans = w.cleaner.rules.named(decoded, nil)
		w.found = append(w.found, valuesAt(decoded, spans)...)
	}
	if spans = w.cleaner.secrets(decoded, false, spans); len(spans) > 0 {
		w.out = jsontext.AppendString(w.out, cut(decoded, spans))
		return
	}
	w.out = append(w.out, raw...)
}
