package transform

import (
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
