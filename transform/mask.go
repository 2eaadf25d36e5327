package transform

import (
	"net/url"
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/crm-bridge/crm-bridge/ingest"
)

// common are credentials of any system that give themselves away: URL parameters of the names that keys have, Authorization
// values, XML elements of OAuth's names and members of JSON in a text, users in URLs.
var common = []maskPattern{
	{regexp.MustCompile(`(?i)((?:^|[?&;])(?:authorization|(?:access_|refresh_|application_|auth_?)?token|(?:client_)?secret|passw(?:or)?d|z?api_?key|proof)(?:=|%3D))((?:(?:[a-z]+-oauthtoken|bearer|basic)(?:\s|%20|\+)+)?[^\s"'&,;<>\\]+)`), words("authorization", "token", "secret", "passw", "api_key", "apikey", "proof"), false},
	{regexp.MustCompile(`(?i)((?:^|[?&;])(?:auth|auth_id|refresh_id|app_sid|event_token|sessid)(?:=|%3D))([^\s"'&,;<>\\]{16,})`), words("auth", "refresh_id", "app_sid", "event_token", "sessid"), true},
	{regexp.MustCompile(`(?i)(\bauthorization\s*[:=]\s*)((?:[a-z]+-oauthtoken|bearer|basic)(?:\s|%20|\+)+[^\s"'&,;<>\\]+)`), words("authorization"), false},
	{regexp.MustCompile(`(?i)(\bauthorization\s*[:=]\s*)([^\s"'&,;<>\\]{16,})`), words("authorization"), true},
	{regexp.MustCompile(`(?i)(\b[a-z]+-oauthtoken(?:\s|%20|\+)+)([^\s"'&,;<>\\]+)`), words("-oauthtoken"), false},
	{regexp.MustCompile(`(?i)(\bbearer(?:\s|%20|\+)+)([A-Za-z0-9._~+/=-]{16,})`), words("bearer"), true},
	{regexp.MustCompile(`(?i)(<(?:[\w.-]+:)?(?:access_token|refresh_token|application_token|client_secret|authorization)(?:\s[^>]*)?>)([^<]+)`), words("_token", "client_secret", "authorization"), false},
	{regexp.MustCompile(`(://)([^@/?#\s"'<>,;:]+:[^@/?#\s"'<>,;]+@)`), words("://"), false},
	{regexp.MustCompile(`(?i)("(?:access_token|refresh_token|application_token|auth_token|event_token|client_secret|auth_id|refresh_id|app_sid)"\s*:\s*")([^"]+)`), words("_token", "client_secret", "auth_id", "refresh_id", "app_sid"), false},
}

// maskPattern is a pattern whose first group stays and whose second is masked. With shaped set, only what has digits and letters is
// masked: the rest may be words.
type maskPattern struct {
	pattern *regexp.Regexp
	needs   *wordSet // every match contains one of these
	shaped  bool
}

// hints are words of which one stands wherever any of common matches.
var hints = []string{"auth", "token", "secret", "passw", "api_key", "apikey", "proof", "bearer", "@", "refresh_id", "app_sid", "sessid", "client_secret"}

// looks are patterns of credentials.
type looks struct {
	all   []maskPattern
	hints *wordSet // one of these stands wherever any of them matches
}

// newLooks returns those that are common, and those of CRMs.
func newLooks(ofCRMs []ingest.Look) looks {
	all, needed := slices.Clone(common), slices.Clone(hints)
	for _, one := range ofCRMs {
		isKnown := func(known maskPattern) bool { return known.pattern.String() == one.Pattern.String() }
		if !slices.ContainsFunc(all, isKnown) { // the sources of a CRM share theirs
			all, needed = append(all, maskPattern{one.Pattern, words(one.Words...), one.Shaped}), append(needed, one.Words...)
		}
	}
	return looks{all, words(needed...)}
}

// wordSet is words in lower case by their first byte, in either case.
type wordSet [256][]string

// words returns a set of words, and of the characters that regular expressions fold to k and s.
func words(all ...string) *wordSet {
	set := &wordSet{}
	for _, word := range append(all, "\u212a", "\u017f") {
		set[word[0]] = append(set[word[0]], word)
		if capital := upper(word[0]); capital != word[0] {
			set[capital] = append(set[capital], word)
		}
	}
	return set
}

// in reports whether s contains one of the words, in any letter case.
func (w *wordSet) in(s string) bool {
	for i := range len(s) {
		for _, word := range w[s[i]] {
			if startsWith(s[i:], word) {
				return true
			}
		}
	}
	return false
}

func upper(b byte) byte {
	if b >= 'a' && b <= 'z' {
		return b - 'a' + 'A'
	}
	return b
}

// startsWith reports whether s starts with a word in lower case, in any letter case.
func startsWith(s, word string) bool {
	if len(s) < len(word) {
		return false
	}
	for i := range len(word) {
		if s[i] != word[i] && s[i] != upper(word[i]) {
			return false
		}
	}
	return true
}

// secrets appends to found where the layer contains a known secret, or what looks like a credential.
func (l layer) secrets(looks looks, present []needle, anywhere bool, found []span) []span {
	for _, n := range present {
		found = n.spans(l, anywhere, found)
	}
	if !looks.hints.in(l.text) {
		return found
	}
	for _, look := range looks.all {
		if look.needs.in(l.text) {
			found = look.spans(l, found)
		}
	}
	return found
}

func (l maskPattern) spans(text layer, found []span) []span {
	for _, at := range l.pattern.FindAllStringSubmatchIndex(text.text, -1) {
		start, end := at[4], at[5]
		if l.shaped && !hasDigitAndLetter(text.text[start:end]) {
			continue
		}
		if text.text[end-1] == '@' {
			end--
		}
		found = append(found, text.origin(start, end))
	}
	return found
}

func hasDigitAndLetter(s string) bool {
	return strings.ContainsFunc(s, unicode.IsDigit) && strings.ContainsFunc(s, unicode.IsLetter)
}

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
		if !secretNameHints.in(text) {
			break
		}
		for _, at := range pattern.FindAllStringSubmatchIndex(text, -1) {
			if at[4] < at[5] && !c.isParam(text[at[2]:at[3]]) {
				spans = append(spans, unquoted(text, at[4], at[5]))
			}
		}
	}
	present := c.in(text)
	each(text, func(l layer) { spans = l.secrets(c.looks, present, true, spans) })
	return cut(text, spans)
}

// unquoted returns a part of a text without the quotes around it, so that the text stays well-formed.
func unquoted(text string, start, end int) span {
	if quote := text[start]; quote == '"' || quote == '\'' {
		if start++; end > start && text[end-1] == quote {
			end--
		}
	}
	return span{start, end}
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
		return cut(written, c.spans(strings.ReplaceAll(written, "+", " "), c.spans(written, nil)))
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
	plain, _ := layer{text: strings.ReplaceAll(part, "+", " ")}.peel(percent)
	return plain.text
}

func isReadable(pair string) bool {
	_, err := url.QueryUnescape(pair)
	return err == nil
}
