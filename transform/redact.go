package transform

import (
	"bytes"
	"encoding/json"
	"errors"
	"path"
	"slices"
	"strings"

	"github.com/crm-bridge/crm-bridge/ingest"
)

// mask stands where a secret was.
const mask = "***"

// A secret is looked for inside other text from inside characters on, and as the whole of a text from shortest on:
// anything less would be found by chance, and the CRM's data would suffer.
const (
	shortest = 6
	inside   = 12
)

// deepest is how far JSON may nest.
const deepest = 100

// everywhere are names that hold credentials at any depth of any CRM's body.
var everywhere = map[string]bool{
	"authorization": true, "access_token": true, "refresh_token": true, "application_token": true, "client_secret": true,
}

// Redactor takes secrets out of what is kept or shown: what stands under a secret's name is removed, and every known
// secret's value is masked wherever else it appears.
type Redactor struct {
	sources map[string]ingest.Secrets
	values  []string
}

// NewRedactor returns a redactor for the secrets of all sources, by label.
func NewRedactor(secrets map[string]ingest.Secrets) *Redactor {
	r := &Redactor{sources: secrets}
	for _, s := range secrets {
		r.values = append(r.values, long(s.Values)...)
	}
	return r
}

// Cleaner redacts one callback of one source.
type Cleaner struct {
	names  []string // glob patterns of paths
	values []string
	hints  bool // the text may hold a credential that only its look gives away
}

// For returns a cleaner that knows the configured secrets and those that the body shows under a secret's name.
func (r *Redactor) For(source string, body []byte) *Cleaner {
	c := &Cleaner{names: r.sources[source].Names, values: r.values, hints: looksSecret(body)}
	var found []string
	if _, err := (&walk{cleaner: c, in: body, found: &found}).run(); err == nil && len(found) > 0 {
		c.values = append(append(make([]string, 0, len(found)+len(r.values)), r.values...), long(found)...)
	}
	return c
}

// JSON appends raw, a JSON text, to out: compact, without the members that hold secrets, with known secrets masked.
// Every number keeps its digits and every other member its place.
func (c *Cleaner) JSON(out, raw []byte) ([]byte, error) {
	return (&walk{cleaner: c, in: raw, out: out}).run()
}

// Text masks known secrets in s.
func (c *Cleaner) Text(s string) string {
	for _, value := range c.values {
		if holds(s, value) {
			s = strings.ReplaceAll(s, value, mask)
		}
	}
	if c.hints {
		s = maskLooks(s)
	}
	return s
}

// Shows tells whether s holds a known secret.
func (c *Cleaner) Shows(s string) bool {
	return slices.ContainsFunc(c.values, func(value string) bool { return holds(s, value) })
}

func holds(s, secret string) bool {
	return s == secret || len(secret) >= inside && strings.Contains(s, secret)
}

// Texts masks known secrets in each of list.
func (c *Cleaner) Texts(list []string) []string {
	cleaned := make([]string, len(list))
	for i, s := range list {
		cleaned[i] = c.Text(s)
	}
	return cleaned
}

func (c *Cleaner) secretName(steps []string) bool {
	if everywhere[steps[len(steps)-1]] {
		return true
	}
	for _, pattern := range c.names {
		if strings.Count(pattern, ".")+1 == len(steps) && matchSteps(pattern, steps) {
			return true
		}
	}
	return false
}

func matchSteps(pattern string, steps []string) bool {
	for _, step := range steps {
		var glob string
		glob, pattern, _ = strings.Cut(pattern, ".")
		if ok, err := path.Match(glob, strings.ReplaceAll(step, "/", "_")); err != nil || !ok {
			return false
		}
	}
	return true
}

func long(values []string) []string {
	var some []string
	for _, value := range values {
		if len(value) >= shortest {
			some = append(some, value)
		}
	}
	return some
}

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
	depth   int
}

func (w *walk) run() ([]byte, error) {
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
		outer, start := w.secret, len(w.out)
		w.steps = append(w.steps, strings.ToLower(name))
		w.secret = outer || w.cleaner.secretName(w.steps)
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
		w.secret, w.steps = outer, w.steps[:len(w.steps)-1]
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
	for _, value := range w.cleaner.values {
		if string(raw) == value {
			w.out = quote(w.out, mask)
			return nil
		}
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
