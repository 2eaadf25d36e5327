package transform

import (
	"cmp"
	"errors"
	"html"
	"net/url"
	"path"
	"regexp"
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

// everywhere are names that hold credentials at any depth of any CRM's body, but not in its records.
var everywhere = map[string]bool{
	"authorization": true, "access_token": true, "refresh_token": true, "application_token": true, "client_secret": true,
}

// sounding are names that people give to keys and passwords; ingest.Secrets calls them "<secret>".
var sounding = regexp.MustCompile(`(?i)token|secret|passw|pwd|authorization|credential|proof|signature|api.?key|^auth$|^key$`)

// Redactor takes secrets out of what is kept or shown: what stands under a secret's name is removed, and every known
// secret's value is masked wherever else it appears.
type Redactor struct {
	sources map[string]ingest.Secrets
	values  []string // longest first, so that none is cut by another that it begins with
}

// NewRedactor returns a redactor for the secrets of all sources, by label.
func NewRedactor(secrets map[string]ingest.Secrets) *Redactor {
	r := &Redactor{sources: secrets}
	for _, s := range secrets {
		r.values = append(r.values, s.Values...)
	}
	r.values = spelled(atLeast(shortest, r.values))
	return r
}

// Cleaner redacts one callback of one source.
type Cleaner struct {
	secrets ingest.Secrets
	values  []string
	hints   bool  // the text may hold a credential that only its look gives away
	err     error // it cannot be cleaned
}

// For returns a cleaner that knows the configured secrets and those that the JSON texts show under a secret's name.
func (r *Redactor) For(source string, texts ...[]byte) *Cleaner {
	c := &Cleaner{secrets: r.sources[source], values: r.values}
	var found []string
	for _, text := range texts {
		c.hints = c.hints || looksSecret(string(text))
		_, _ = (&walk{cleaner: c, in: text, found: &found}).run() // what it found before an error counts too
	}
	found = slices.DeleteFunc(found, func(value string) bool { return !tokenShaped(value) })
	if slices.Sort(found); len(slices.Compact(found)) > maxFound {
		c.err = errors.New("too many different secrets in one callback")
	}
	c.know(found)
	return c
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
func (c *Cleaner) JSON(out, raw []byte) ([]byte, error) {
	if c.err != nil {
		return nil, c.err
	}
	return (&walk{cleaner: c, in: raw, out: out}).run()
}

// Record appends raw, a record's values as the CRM has them, to out: no name in it is a secret's.
func (c *Cleaner) Record(out, raw []byte) ([]byte, error) {
	return (&walk{cleaner: c, in: raw, out: out, record: true}).run()
}

// Text masks known secrets in s.
func (c *Cleaner) Text(s string) string {
	s = maskValues(s, c.values)
	if c.hints && looksSecret(s) {
		s = maskLooks(s)
	}
	return s
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
	return everywhere[steps[len(steps)-1]] || matchesAny(c.secrets.Names, steps)
}

func matchesAny(patterns, steps []string) bool {
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		return strings.Count(pattern, ".")+1 == len(steps) && matchSteps(pattern, steps)
	})
}

func matchSteps(pattern string, steps []string) bool {
	for _, step := range steps {
		var glob string
		glob, pattern, _ = strings.Cut(pattern, ".")
		if glob == "<secret>" {
			if !sounding.MatchString(step) {
				return false
			}
			continue
		}
		if ok, err := path.Match(glob, strings.ReplaceAll(step, "/", "_")); err != nil || !ok {
			return false
		}
	}
	return true
}

// know makes c mask more values.
func (c *Cleaner) know(values []string) {
	if values = atLeast(shortest, values); len(values) > 0 {
		c.values = longestFirst(append(spelled(values), c.values...))
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
		if !strings.ContainsFunc(value, func(r rune) bool {
			return !unicode.IsLetter(r) && !unicode.IsDigit(r) && !strings.ContainsRune("-_.~", r) || r > unicode.MaxASCII
		}) {
			continue // all of them write it alike
		}
		escaped := html.EscapeString(value)
		named := strings.ReplaceAll(strings.ReplaceAll(escaped, "&#34;", "&quot;"), "&#39;", "&apos;")
		quoted := string(quote(nil, value))
		all = append(all, url.QueryEscape(value), url.PathEscape(value), escaped, named, quoted[1:len(quoted)-1])
	}
	return longestFirst(all)
}

// longestFirst returns the values each once, so that none is cut by another that it begins with.
func longestFirst(values []string) []string {
	slices.SortFunc(values, func(a, b string) int { return cmp.Or(cmp.Compare(len(b), len(a)), cmp.Compare(a, b)) })
	return slices.Compact(values)
}
