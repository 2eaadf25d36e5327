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
	looks   looks
}

// NewRedactor returns a redactor for the secrets of all sources, by label.
func NewRedactor(secrets map[string]ingest.Secrets) *Redactor {
	r := &Redactor{sources: map[string]*places{}}
	var values []string
	var more []ingest.Look
	for label, s := range secrets {
		r.sources[label] = compile(s)
		values, more = append(values, s.Values...), append(more, s.Looks...)
	}
	r.looks = newLooks(more)
	r.secrets = newFinder(needles(values, true))
	return r
}

// Cleaner redacts one callback of one source.
type Cleaner struct {
	places            *places
	looks             looks
	configured, shown *finder         // shown: by this callback; nil: none
	named             map[string]bool // all that it shows under a secret's name and that is no number
	err               error           // it cannot be cleaned
}

// For returns a cleaner that knows the configured secrets and those that the JSON texts show under a secret's name.
func (r *Redactor) For(source string, texts ...[]byte) *Cleaner {
	copied := make([]string, len(texts))
	for i, text := range texts {
		copied[i] = string(text)
	}
	return r.cleaner(source, nil, nil, copied...)
}

// cleaner returns what For does. It also knows other credentials of the callback, and that what names it plainly, such as its
// account, is not a secret where it stands under a secret's name too.
func (r *Redactor) cleaner(source string, credentials, plain []string, texts ...string) *Cleaner {
	c := &Cleaner{places: r.of(source), looks: r.looks, configured: r.secrets}
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
func (c *Cleaner) know(shown, derived []string) {
	for _, value := range shown {
		if scheme, token, ok := strings.Cut(value, " "); ok && isScheme(strings.ToLower(scheme)) {
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

// isScheme reports whether a word stands before a credential.
func isScheme(word string) bool {
	return word == "bearer" || word == "basic" || strings.HasSuffix(word, "-oauthtoken")
}

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

// JSON appends raw, a JSON text, to out: compact, without the members that hold secrets, with known secrets masked.
// Every number keeps its digits and every other member its place.
func (c *Cleaner) JSON(out, raw []byte) ([]byte, error) { return c.json(out, string(raw)) }

func (c *Cleaner) json(out []byte, text string) ([]byte, error) {
	if c.err != nil {
		return nil, c.err
	}
	return c.write(out, text, false)
}

// Record appends raw, a record's values, to out: no name in it is a secret's, but for what the source hides where the
// record stands in a body.
func (c *Cleaner) Record(out, raw []byte) ([]byte, error) {
	return c.write(out, string(raw), true)
}

// Text masks known secrets in s, and what looks like one.
func (c *Cleaner) Text(s string) string { return cut(s, c.spans(s, nil)) }

// spans appends to found where secrets stand in s.
func (c *Cleaner) spans(s string, found []span) []span {
	present := c.in(s)
	each(s, func(l layer) { found = l.secrets(c.looks, present, false, found) })
	return found
}

// in returns the secrets that stand in a text.
func (c *Cleaner) in(s string) []needle {
	var present []needle
	each(s, func(l layer) { present = c.shown.in(l.text, c.configured.in(l.text, present)) })
	return present
}

// inJSON returns the secrets that stand in the strings, or are numbers, of a JSON text.
func (c *Cleaner) inJSON(text string) []needle {
	var present []needle
	eachOfJSON(text, func(l layer) { present = c.shown.in(l.text, c.configured.in(l.text, present)) })
	return present
}
