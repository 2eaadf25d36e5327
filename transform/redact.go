package transform

import (
	"cmp"
	"errors"
	"html"
	"net/url"
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
	values  []string // longest first, so that none is cut by another that it begins with
}

// NewRedactor returns a redactor for the secrets of all sources, by label.
func NewRedactor(secrets map[string]ingest.Secrets) *Redactor {
	r := &Redactor{sources: map[string]*places{}}
	for label, s := range secrets {
		r.sources[label] = compile(s)
		r.values = append(r.values, s.Values...)
	}
	r.values = spelled(atLeast(shortest, r.values))
	return r
}

// Cleaner redacts one callback of one source.
type Cleaner struct {
	places *places
	values []string
	err    error // it cannot be cleaned
}

// For returns a cleaner that knows the configured secrets and those that the JSON texts show under a secret's name.
func (r *Redactor) For(source string, texts ...[]byte) *Cleaner {
	copied := make([]string, len(texts))
	for i, text := range texts {
		copied[i] = string(text)
	}
	return r.cleaner(source, copied...)
}

func (r *Redactor) cleaner(source string, texts ...string) *Cleaner {
	c := &Cleaner{places: r.of(source), values: r.values}
	var found []string
	for _, text := range texts {
		if text != "" {
			found = c.find(text, found)
		}
	}
	found = slices.DeleteFunc(found, func(value string) bool { return !tokenShaped(value) })
	if slices.Sort(found); len(slices.Compact(found)) > maxFound {
		c.err = errors.New("too many different secrets in one callback")
	}
	c.know(found)
	return c
}

func (r *Redactor) of(source string) *places {
	if known := r.sources[source]; known != nil {
		return known
	}
	return &places{}
}

// tokenShaped tells whether a value is hardly a word, a name or a record's id: one long run of characters, not all of
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

// Record appends raw, a record's values as the CRM has them, to out: no name in it is a secret's.
func (c *Cleaner) Record(out, raw []byte) ([]byte, error) {
	return c.write(out, string(raw), true)
}

// Text masks known secrets in s.
func (c *Cleaner) Text(s string) string { return maskAll(s, c.values) }

// occurring returns those secrets that may stand in the strings of a JSON text: where it has no escapes, only those that
// stand in it as it is written.
func (c *Cleaner) occurring(text string) []string {
	if strings.Contains(text, `\`) {
		return c.values
	}
	var some []string
	for _, value := range c.values {
		if strings.Contains(text, value) {
			some = append(some, value)
		}
	}
	return some
}

// know makes c mask more values.
func (c *Cleaner) know(values []string) {
	var fresh []string
	for _, value := range values {
		if len(value) >= shortest && (!spelledAlike(value) || !slices.Contains(c.values, value)) {
			fresh = append(fresh, value)
		}
	}
	if len(fresh) > 0 {
		c.values = longestFirst(append(spelled(fresh), c.values...))
	}
}

func atLeast(length int, values []string) []string {
	var some []string
	for _, value := range values {
		if len(value) >= length {
			some = append(some, value)
		}
	}
	return some
}

// spelled returns the values in the ways in which URLs, XML and JSON write them, each once, longest first.
func spelled(values []string) []string {
	var all []string
	for _, value := range values {
		all = append(all, value)
		if spelledAlike(value) {
			continue
		}
		escaped := html.EscapeString(value)
		named := strings.ReplaceAll(strings.ReplaceAll(escaped, "&#34;", "&quot;"), "&#39;", "&apos;")
		quoted := string(quote(nil, value))
		all = append(all, url.QueryEscape(value), url.PathEscape(value), escaped, named, quoted[1:len(quoted)-1])
	}
	return longestFirst(all)
}

// spelledAlike tells whether URLs, XML and JSON write a value as it is.
func spelledAlike(value string) bool {
	return !strings.ContainsFunc(value, func(r rune) bool {
		return (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') && !strings.ContainsRune("-_.~", r)
	})
}

// longestFirst returns the values each once, so that none is cut by another that it begins with.
func longestFirst(values []string) []string {
	slices.SortFunc(values, func(a, b string) int { return cmp.Or(cmp.Compare(len(b), len(a)), cmp.Compare(a, b)) })
	return slices.Compact(values)
}
