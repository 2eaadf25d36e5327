package transform

import (
	"errors"
	"slices"
	"strings"
	"unicode"

	"github.com/crm-bridge/crm-bridge/ingest"
)

// mask replaces a secret.
const mask = "***"

// A configured secret of at least inside characters is masked in any text, one of at least shortest only as a whole word. A value of a
// secret name is masked elsewhere only if it is shaped like a token. Anything less would match the CRM's data by chance.
const (
	shortest = 6
	inside   = 12
)

// maxFound bounds the secrets that a callback may show: each is searched in all of it.
const maxFound = 64

// Redactor removes secrets from what is stored or shown: members with secret names, and known secrets wherever else they appear, which
// are masked.
type Redactor struct {
	sources map[string]*rules
	secrets *finder
	looks   looks
}

// NewRedactor returns a redactor for the secrets of all sources, by source label, those of further orgs by OfOrg.
func NewRedactor(secrets map[string]ingest.Secrets) *Redactor {
	r := &Redactor{sources: map[string]*rules{}}
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

// cleaner redacts one callback of one source.
type cleaner struct {
	rules             *rules
	looks             looks
	configured, shown *finder         // shown: by this callback; nil: none
	named             map[string]bool // values of secret names, and whether each is long and not a number
	err               error           // why it cannot be cleaned
}

// cleaner returns a cleaner for a callback that knows the configured secrets, the callback's other credentials, and the values of secret
// names in its JSON texts, unless they are plain, such as its account.
func (r *Redactor) cleaner(source, org string, credentials, plain []string, texts ...string) *cleaner {
	c := &cleaner{rules: r.of(source, org), looks: r.looks, configured: r.secrets}
	shown := slices.Clone(credentials)
	for _, text := range texts {
		if text != "" {
			shown = c.find(text, shown)
		}
	}
	c.know(slices.DeleteFunc(shown, func(value string) bool { return slices.Contains(plain, value) }), nil)
	return c
}

// OfOrg names the secrets of a source of an org for NewRedactor; the first org's name is empty.
func OfOrg(source, org string) string {
	if org == "" {
		return source
	}
	return source + "\n" + org
}

// of returns the rules of a source of an org, else those of the first org: what a source removes may depend on its configuration, and
// configured secrets are masked everywhere.
func (r *Redactor) of(source, org string) *rules {
	for _, name := range []string{OfOrg(source, org), source} {
		if known := r.sources[name]; known != nil {
			return known
		}
	}
	return &rules{}
}

// know makes c mask the values of secret names that are shaped like tokens, and derived secrets.
func (c *cleaner) know(shown, derived []string) {
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

// tokenShaped reports whether a value is unlikely to be a word, a name or a record id: one long run of characters, not all digits, and
// not all letters of one case.
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

// text masks known secrets in s, and what looks like a credential.
func (c *cleaner) text(s string) string { return cut(s, c.spans(s, nil)) }

// spans appends to found where s contains secrets.
func (c *cleaner) spans(s string, found []span) []span {
	present := c.in(s)
	each(s, func(l layer) { found = l.secrets(c.looks, present, false, found) })
	return found
}

// in returns the secrets that a text contains.
func (c *cleaner) in(s string) []needle {
	var present []needle
	each(s, func(l layer) { present = c.shown.in(l.text, c.configured.in(l.text, present)) })
	return present
}

// inJSON returns the secrets that a JSON text contains in its strings or as numbers.
func (c *cleaner) inJSON(text string) []needle {
	var present []needle
	eachOfJSON(text, func(l layer) { present = c.shown.in(l.text, c.configured.in(l.text, present)) })
	return present
}
