package transform

import (
	"net/url"
	"regexp"
	"slices"
	"strings"
)

// unparsed are patterns of secrets in text that no parser could read: the name of a secret, = or : in some spelling, and a value, which
// may be quoted and cut off (a list or an object takes the rest of the text with it); an element of such a name; a part of such a name.
var unparsed = []*regexp.Regexp{
	regexp.MustCompile(`(?i)([\w.-]*` + secretWord + `[\w.-]*(?:%5D|\])?(?:\\?["'])?(?:\s|%20)*(?:=|:|%3D|%3A)(?:\s|%20)*)` +
		`([\[{][\s\S]*|"(?:[^"\\]|\\.)*"?|'[^']*'?|(?:(?:[a-z]+-oauthtoken|bearer|basic)(?:\s|%20|\+)+)?[^\s"'&,;<>{}\[]+)`),
	regexp.MustCompile(`(?i)(<(?:[\w.-]+:)?[\w.-]*` + secretWord + `[\w.-]*(?:\s[^>]*)?>)(<!\[CDATA\[[\s\S]*?(?:\]\]>|$)|[^<]+)`),
	regexp.MustCompile(`(?i)(name="?[\w.-]*` + secretWord + `[\w.-]*"?[^\n]*\n(?:[^\r\n]+\r?\n)*\r?\n)([\s\S]*?)(?:\r?\n--|$)`),
}

const secretWord = `(?:` + credentialWords + `|\bo?auth\b|sid\b)`

// maskText masks what is or looks like a secret in text of any shape, rather too much than too little.
func (c *cleaner) maskText(text string) string {
	var spans []span
	for _, pattern := range unparsed {
		if !hasWord(text, secretNameHints) {
			break
		}
		for _, at := range pattern.FindAllStringSubmatchIndex(text, -1) {
			if at[4] < at[5] && !c.isParam(text[at[2]:at[3]]) {
				spans = append(spans, unquoted(text, at[4], at[5]))
			}
		}
	}
	return cut(text, c.secrets(text, true, spans))
}

var nameWords = regexp.MustCompile(`[\w.-]+`)

// isParam reports whether the text before a value names one of the source's Params: Token=, <Token>, name="Token".
func (c *cleaner) isParam(before string) bool {
	if len(c.rules.Params) == 0 {
		return false
	}
	return slices.ContainsFunc(nameWords.FindAllString(before, 2), func(word string) bool { return slices.Contains(c.rules.Params, word) })
}

// maskForm masks secrets in a form, pair by pair: the values of hidden names, and what is or looks like a secret elsewhere. A pair that
// cannot be decoded is masked like text. Everything else stays verbatim.
func (c *cleaner) maskForm(form string, hidden func(name string) bool) string {
	pairs := strings.Split(form, "&")
	for i, pair := range pairs {
		name, value, hasValue := strings.Cut(pair, "=")
		switch {
		case hasValue && hidden(unescaped(name)):
			pairs[i] = c.part(name) + "=" + mask
		case !isReadable(pair):
			pairs[i] = c.maskText(pair)
		case hasValue:
			pairs[i] = c.part(name) + "=" + c.part(value)
		default:
			pairs[i] = c.part(pair)
		}
	}
	return strings.Join(pairs, "&")
}

// part masks secrets in a name or a value of a form. A plus sign may be a space, or itself.
func (c *cleaner) part(written string) string {
	if strings.Contains(written, "+") {
		return cut(written, c.secrets(strings.ReplaceAll(written, "+", " "), false, c.secrets(written, false, nil)))
	}
	return c.text(written)
}

// shownBy returns the values of hidden names in a form.
func shownBy(form string, hidden func(name string) bool) []string {
	var shown []string
	for pair := range strings.SplitSeq(form, "&") {
		if name, value, ok := strings.Cut(pair, "="); ok && hidden(unescaped(name)) {
			shown = append(shown, unescaped(value))
		}
	}
	return shown
}

// unescaped decodes a part of a form as far as possible.
func unescaped(part string) string {
	plain, _ := decoder(percent).all(strings.ReplaceAll(part, "+", " "), 0, nil)
	return plain
}

func isReadable(pair string) bool {
	_, err := url.QueryUnescape(pair)
	return err == nil
}
