package transform

import (
	"slices"
	"strings"

	"github.com/crm-bridge/crm-bridge/schemas/jsontext"
)

// walk scans a JSON text once. It writes what may be kept to out; when finding it writes nothing, and collects the values under
// secret names.
type walk struct {
	jsontext.Scanner[string]

	cleaner *cleaner
	present []needle // secrets that the text contains
	out     []byte
	steps   []string // names from the root to here, as patterns see them
	finding bool
	found   []string
	secret  bool // below a secret name
	record  bool // in a record of the CRM
}

const byteOrderMark = "\ufeff"

// write appends what may be kept of a JSON text to out: a body, or the values of a record.
func (c *cleaner) write(out []byte, text string, values bool) ([]byte, error) {
	var steps [8]string
	w := walk{Scanner: scanner(text), cleaner: c, present: c.inJSON(text), out: out, steps: steps[:0]}
	if values {
		w.steps = append(w.steps, c.rules.ValuesAt...)
		w.record = len(w.steps) == 0 || matchesAny(c.rules.records, w.steps)
	}
	w.value()
	if err := w.End(); err != nil {
		return nil, err
	}
	return w.out, nil
}

// find appends to found the values under secret names in the text. What is found before an error counts too.
func (c *cleaner) find(text string, found []string) []string {
	var steps [8]string
	w := walk{Scanner: scanner(text), cleaner: c, steps: steps[:0], finding: true, found: found}
	w.value()
	return w.found
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
	w.write('{')
	for w.Enter(); w.More(); {
		raw, name := w.Name()
		if w.Err() != nil {
			return
		}
		outer, record, start := w.secret, w.record, len(w.out)
		w.steps = append(w.steps, step(name))
		w.record = record || matchesAny(w.cleaner.rules.records, w.steps)
		w.secret = outer || !w.record && w.cleaner.secretName(name, w.steps, w.Kind() == jsontext.Object)
		if !w.secret {
			w.comma()
			w.text(raw, name, w.Depth == 1)
			w.write(':')
		}
		w.value()
		if w.secret {
			w.out = w.out[:start]
		}
		w.secret, w.record, w.steps = outer, record, w.steps[:len(w.steps)-1]
	}
	w.write('}')
}

func (w *walk) list() {
	w.write('[')
	for w.Enter(); w.More(); {
		w.comma()
		w.value()
	}
	w.write(']')
}

// literal copies a number, true, false or null; a number that is a known secret is masked.
func (w *walk) literal() {
	raw := w.Literal()
	switch {
	case w.Err() != nil:
	case w.finding && w.secret:
		w.found = append(w.found, raw)
	case w.finding:
	case slices.ContainsFunc(w.present, func(n needle) bool { return n.text == raw }):
		w.out = jsontext.AppendString(w.out, mask)
	default:
		w.out = append(w.out, raw...)
	}
}

// text copies a name or a string without its secrets; outermost is set for a body that is a string, and for the names of one that is an
// object.
func (w *walk) text(raw, decoded string, outermost bool) {
	switch {
	case w.Err() != nil, w.secret && !w.finding: // nothing below a secret name is kept
		return
	case w.finding:
		if w.secret && decoded != "" {
			w.found = append(w.found, decoded)
		}
		if outermost {
			w.found = append(w.found, w.cleaner.rules.namedIn(decoded)...)
		}
		return
	}
	var spans []span
	if outermost {
		spans = w.cleaner.rules.named(decoded, spans)
	}
	each(decoded, func(l layer) { spans = l.secrets(w.cleaner.looks, w.present, false, spans) })
	if len(spans) > 0 {
		w.out = jsontext.AppendString(w.out, cut(decoded, spans))
		return
	}
	w.out = append(w.out, raw...)
}

func (w *walk) write(b byte) {
	if !w.finding {
		w.out = append(w.out, b)
	}
}

func (w *walk) comma() {
	if !w.finding {
		w.out = jsontext.AppendComma(w.out)
	}
}
