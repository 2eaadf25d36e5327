package transform

import (
	"errors"
	"slices"
	"strings"
	"unicode"

	"github.com/crm-bridge/crm-bridge/ingest"
)

// mask stands where a secret was.
const mask = "***"

// A configured secret is masked inside other text from inside characters on, and from shortest on where it stands there
// as a word of its own; one that a callback shows under a secret's name only if it is shaped like a token. Anything less
// would be found by chance, and the CRM's data would suffer.
const (
	shortest = 6
	inside   = 12
)

// maxFound bounds the secrets that one callback may show: each is looked for in all of it.
const maxFound = 64

// Redactor takes secrets out of what is kept or shown: what stands under a secret's name is removed, and every known
// secret's value is masked wherever else it appears.
type Redactor struct {
	sources map[string]*places
	secrets *finder
}

// NewRedactor returns a redactor for the secrets of all sources, by label.
func NewRedactor(secrets map[string]ingest.Secrets) *Redactor {
	r := &Redactor{sources: map[string]*places{}}
	var values []string
	for label, s := range secrets {
		r.sources[label] = compile(s)
		values = append(values, s.Values...)
	}
	r.secrets = newFinder(needles(values, true))
	return r
}

// cleaner redacts one callback of one source.
type cleaner struct {
	places            *places
	configured, shown *finder         // shown: by this callback; nil: none
	named             map[string]bool // all that it shows under a secret's name and that is no number
	err               error           // it cannot be cleaned
}

// cleaner returns a cleaner that knows the configured secrets, other credentials of the callback, and what its JSON texts show under a
// secret's name, unless that is plain: what names the callback, such as its account.
func (r *Redactor) cleaner(source string, credentials, plain []string, texts ...string) *cleaner {
	c := &cleaner{places: r.of(source), configured: r.secrets}
	shown := slices.Clone(credentials)
	for _, text := range texts {
		if text != "" {
			shown = c.find(text, shown)
		}
	}
	c.know(slices.DeleteFunc(shown, func(value string) bool { return slices.Contains(plain, value) }), nil)
	return c
}

func (r *Redactor) of(source string) *places {
	if known := r.sources[source]; known != nil {
		return known
	}
	return &places{}
}

// know makes c mask what a callback has shown as a secret, where it is shaped like one, and what was derived for it.
func (c *cleaner) know(shown, derived []string) {
	for _, value := range shown {
		if scheme, token, ok := strings.Cut(value, " "); ok && schemes[strings.ToLower(scheme)] {
			shown = append(shown, strings.TrimSpace(token))
		}
	}
	c.named = make(map[string]bool, len(shown))
	for _, value := range shown {
		c.named[value] = len(value) >= shortest && strings.Trim(value, "-.0123456789") != ""
	}
	shown = slices.DeleteFunc(shown, func(value string) bool { return !tokenShaped(value) })
	slices.Sort(shown)
	if shown = slices.Compact(shown); len(shown) > maxFound {
		shown, c.err = shown[:maxFound], errors.New("too many different secrets in one callback")
	}
	shown = slices.DeleteFunc(append(shown, derived...), c.configured.has)
	if len(shown) > 0 {
		c.shown = newFinder(needles(shown, false))
	}
}

// schemes are words before a credential.
var schemes = map[string]bool{"bearer": true, "zoho-oauthtoken": true, "basic": true}

// tokenShaped reports whether a value is hardly a word, a name or a record's id: one long run of characters, not all of
// them digits, and not all of them letters of one case.
func tokenShaped(value string) bool {
	var lower, upper, digit, mark bool
	for _, r := range value {
		switch {
		case unicode.IsSpace(r):
			return false
		case unicode.IsLower(r):
			lower = true
		case unicode.IsUpper(r):
			upper = true
		case unicode.IsDigit(r):
			digit = true
		default:
			mark = true
		}
	}
	return len(value) >= inside && (digit && (lower || upper || mark) || lower && upper || mark && (lower || upper))
}

// json appends a JSON text to out: compact, without the members that hold secrets, with known secrets masked. Every number keeps its
// digits and every other member its place.
func (c *cleaner) json(out []byte, text string) ([]byte, error) {
	if c.err != nil {
		return nil, c.err
	}
	return c.write(out, text, false)
}

// record appends raw, the values of a record, to out. No name in it is a secret's, except what the source hides where records stand
// in a body.
func (c *cleaner) record(out, raw []byte) ([]byte, error) {
	return c.write(out, string(raw), true)
}

// text masks known secrets in s, and what looks like one.
func (c *cleaner) text(s string) string { return cut(s, c.spans(s, nil)) }

// spans appends to found where secrets stand in s.
func (c *cleaner) spans(s string, found []span) []span {
	present := c.in(s)
	each(s, func(l layer) { found = l.secrets(present, false, found) })
	return found
}

// in returns the secrets that stand in a text.
func (c *cleaner) in(s string) []needle {
	var present []needle
	each(s, func(l layer) { present = c.shown.in(l.text, c.configured.in(l.text, present)) })
	return present
}

// inJSON returns the secrets that stand in the strings, or are numbers, of a JSON text.
func (c *cleaner) inJSON(text string) []needle {
	var present []needle
	eachOfJSON(text, func(l layer) { present = c.shown.in(l.text, c.configured.in(l.text, present)) })
	return present
}
