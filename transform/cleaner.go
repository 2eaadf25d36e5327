package transform

import (
	"bytes"
	"errors"
	"slices"
	"strings"
	"unicode"
)

// maxFound bounds the secrets that a callback may show: each is searched in all of it.
const maxFound = 64

// cleaner redacts one callback of one source.
type cleaner struct {
	rules             *rules
	looks             looks
	configured, shown *finder  // shown: by this callback; nil: none
	named             []string // values of secret names, sorted
	unsearched        bool     // it searches no text: what is made of the callback is searched as a whole
	err               error    // why it cannot be cleaned
}

// text masks known secrets in s, and what looks like a credential.
func (c *cleaner) text(s string) string {
	if c.unsearched {
		return s
	}
	return cut(s, c.secrets(s, false, nil))
}

// secrets appends to found where s contains known secrets, in whatever spelling, and what looks like a credential. A short secret counts
// only as a whole word, unless anywhere is set.
func (c *cleaner) secrets(s string, anywhere bool, found []span) []span {
	if firstEncoded(s, escape) == len(s) { // most texts are a single layer, which need not be allocated
		return c.secretsIn(&layer{text: s}, anywhere, found)
	}
	for l := (&layer{text: s}); l != nil; l = l.below() {
		found = c.secretsIn(l, anywhere, found)
	}
	return found
}

func (c *cleaner) secretsIn(l *layer, anywhere bool, found []span) []span {
	for _, n := range needlesIn(l.text, c.shown, needlesIn(l.text, c.configured, nil)) {
		found = n.spans(l, anywhere, found)
	}
	return c.looks.spans(l, found)
}

// clean returns what write writes: JSON without its secrets. Where that contains a secret that write has found elsewhere, it is written
// once more; also where anything is masked, which may have been a part of such a secret.
func (c *cleaner) clean(credentials, plain []string, write func() (out []byte, found []string, err error)) ([]byte, error) {
	out, found, err := write()
	if err != nil {
		return nil, err
	}
	if err := c.learn(found, credentials, plain); err != nil {
		return nil, err
	}
	if c.shown != nil && !c.unsearched && (bytes.Contains(out, []byte(mask)) || c.isShownIn(string(out))) {
		out, _, err = write()
	}
	return out, err
}

// learn makes c mask credentials and what was found under secret names, except what is plain, such as the callback's account.
func (c *cleaner) learn(found, credentials, plain []string) error {
	c.know(slices.DeleteFunc(append(found, credentials...), func(value string) bool { return slices.Contains(plain, value) }), nil)
	return c.err
}

// isShownIn reports whether a JSON text contains a secret that the callback has shown.
func (c *cleaner) isShownIn(text string) bool {
	whole := &layer{text: text}
	if decoded := whole.peel(backslash); decoded != nil {
		if len(needlesIn(text, c.shown, nil)) > 0 { // the secret itself may look like an escape
			return true
		}
		whole = decoded
	}
	for l := whole; l != nil; l = l.below() {
		if len(needlesIn(l.text, c.shown, nil)) > 0 {
			return true
		}
	}
	return false
}

// know makes c mask the values of secret names that are shaped like tokens, and derived secrets.
func (c *cleaner) know(shown, derived []string) {
	for _, value := range shown {
		if scheme, token, ok := strings.Cut(value, " "); ok && isScheme(strings.ToLower(scheme)) {
			shown = append(shown, strings.TrimSpace(token))
		}
	}
	slices.Sort(shown)
	c.named = slices.Compact(shown)
	var tokens []string
	shaped := 0
	for _, value := range c.named {
		if !tokenShaped(value) {
			continue
		}
		if shaped++; shaped > maxFound {
			c.err = errors.New("too many different secrets in one callback")
			break
		}
		tokens = append(tokens, value)
	}
	if tokens = slices.DeleteFunc(append(tokens, derived...), c.configured.has); len(tokens) > 0 {
		c.shown = newFinder(needles(tokens, false))
	}
}

// isNamed reports whether text is the value of a secret name, and long and not a number.
func (c *cleaner) isNamed(text string) bool {
	if len(text) < shortest || strings.Trim(text, "-.0123456789") == "" {
		return false
	}
	_, named := slices.BinarySearch(c.named, text)
	return named
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

// secretName reports whether the value of a name, the last of steps, is secret; object is set if that is an object.
func (c *cleaner) secretName(name string, steps []string, object bool) bool {
	switch p := c.rules; {
	case isCredentialName(name):
		return true
	case len(steps) == 1 && slices.Contains(p.Params, name):
		return false
	case p.Hides != nil && p.Hides(steps, object):
		return true
	default:
		return matchesAny(p.names, steps)
	}
}

// hides reports whether the value of a name in a form or a URL is secret.
func (c *cleaner) hides(name string) bool { return c.secretName(name, []string{step(name)}, false) }
