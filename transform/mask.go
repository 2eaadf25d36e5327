package transform

import (
	"bytes"
	"net/url"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maskAll masks secrets in s: known ones, and those that give themselves away.
func maskAll(s string, values []string) string { return maskLooks(maskValues(s, values)) }

// maskValues masks secrets in s. One shorter than inside is masked only where it stands as a word of its own.
func maskValues(s string, values []string) string {
	for _, value := range values {
		if !strings.Contains(s, value) {
			continue
		}
		if len(value) >= inside {
			s = strings.ReplaceAll(s, value, mask)
		} else {
			s = maskWord(s, value)
		}
	}
	return s
}

func maskWord(s, word string) string {
	var out strings.Builder
	for {
		i := strings.Index(s, word)
		if i < 0 {
			return out.String() + s
		}
		before, _ := utf8.DecodeLastRuneInString(s[:i])
		after, _ := utf8.DecodeRuneInString(s[i+len(word):])
		out.WriteString(s[:i])
		if isWord(before) && i > 0 || isWord(after) && i+len(word) < len(s) {
			out.WriteString(word)
		} else {
			out.WriteString(mask)
		}
		s = s[i+len(word):]
	}
}

func isWord(r rune) bool { return unicode.IsLetter(r) || unicode.IsDigit(r) }

// looks are credentials that give themselves away: URL parameters of the names that keys have, Authorization values, XML
// elements of OAuth's names, users in URLs, Zoho's OAuth tokens (1000.….…).
var looks = []look{
	{regexp.MustCompile(`(?i)((?:^|[?&;])(?:authorization|(?:access_|refresh_|application_|auth_?)?token|(?:client_)?secret|passw(?:or)?d|z?api_?key|proof)(?:=|%3D))((?:(?:zoho-oauthtoken|bearer|basic)(?:\s|%20|\+)+)?[^\s"'&,;<>\\]+)`), words("authorization", "token", "secret", "passw", "api_key", "apikey", "proof"), false},
	{regexp.MustCompile(`(?i)(\bauthorization\s*[:=]\s*)((?:zoho-oauthtoken|bearer|basic)(?:\s|%20|\+)+[^\s"'&,;<>\\]+)`), words("authorization"), false},
	{regexp.MustCompile(`(?i)(\bauthorization\s*[:=]\s*)([^\s"'&,;<>\\]{16,})`), words("authorization"), true},
	{regexp.MustCompile(`(?i)(\bzoho-oauthtoken(?:\s|%20|\+)+)([^\s"'&,;<>\\]+)`), words("zoho-oauthtoken"), false},
	{regexp.MustCompile(`(?i)(\bbearer(?:\s|%20|\+)+)([A-Za-z0-9._~+/=-]{16,})`), words("bearer"), true},
	{regexp.MustCompile(`(?i)(<(?:[\w.-]+:)?(?:access_token|refresh_token|application_token|client_secret|authorization)(?:\s[^>]*)?>)([^<]+)`), words("_token", "client_secret", "authorization"), false},
	{regexp.MustCompile(`(://)([^@/?#\s"'<>,;:]+:[^@/?#\s"'<>,;]+@)`), words("://"), false},
	{regexp.MustCompile(`()(\b1000\.[0-9A-Za-z]{16,}\.[0-9A-Za-z]{16,})`), words("1000."), false},
}

// look is a pattern whose first group stays and whose second is masked. Where shaped is set, only what is shaped like a
// token is masked: the rest may be words.
type look struct {
	pattern *regexp.Regexp
	needs   *wordSet // one of these stands wherever the pattern matches
	shaped  bool
}

// hints are words of which one stands wherever any look matches.
var hints = words("authorization", "token", "secret", "passw", "api_key", "apikey", "proof", "bearer", "1000.", "@")

// wordSet holds words in lower case by their first byte, in either case.
type wordSet [256][]string

// words returns a set with what regular expressions take for a k and an s besides them.
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

// in tells whether one of the words stands in s, in any letter case.
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

// startsWith tells whether s starts with a word in lower case, in any letter case.
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

func maskLooks(s string) string {
	if !hints.in(s) {
		return s
	}
	for _, look := range looks {
		if look.needs.in(s) {
			s = look.mask(s)
		}
	}
	return s
}

func (l look) mask(s string) string {
	if !l.pattern.MatchString(s) {
		return s
	}
	return l.pattern.ReplaceAllStringFunc(s, func(found string) string {
		parts := l.pattern.FindStringSubmatch(found)
		switch {
		case parts == nil || l.shaped && !hasDigitAndLetter(parts[2]):
			return found
		case strings.HasSuffix(parts[2], "@"):
			return parts[1] + mask + "@"
		}
		return parts[1] + mask
	})
}

func hasDigitAndLetter(s string) bool {
	return strings.ContainsFunc(s, unicode.IsDigit) && strings.ContainsFunc(s, unicode.IsLetter)
}

const secretWords = `(?:token|secret|passw|pwd|authorization|credential|proof|signature|api.?key)`

// unread are secrets in text that no parser could read: a name that sounds like one, then = or : in some spelling, then a
// value, which may be quoted and cut off (where a list or an object begins, all that follows goes); an element of such a
// name; a part of such a name.
var unread = []*regexp.Regexp{
	regexp.MustCompile(`(?i)([\w.-]*` + secretWords + `[\w.-]*(?:%5D|\])?(?:\\?["'])?(?:\s|%20)*(?:=|:|%3D|%3A)(?:\s|%20)*)` +
		`([\[{][\s\S]*|"(?:[^"\\]|\\.)*"?|'[^']*'?|(?:(?:zoho-oauthtoken|bearer|basic)(?:\s|%20|\+)+)?[^\s"'&,;<>{}\[]+)`),
	regexp.MustCompile(`(?i)(<(?:[\w.-]+:)?[\w.-]*` + secretWords + `[\w.-]*(?:\s[^>]*)?>)([^<]+)`),
	regexp.MustCompile(`(?i)(name="?[\w.-]*` + secretWords + `[\w.-]*"?[^\n]*\n(?:[^\r\n]+\r?\n)*\r?\n)([\s\S]*?)(?:\r?\n--|$)`),
}

// maskText masks what looks like a secret, and values, in text that may be of any shape.
func maskText(text []byte, values []string) []byte {
	for _, value := range values {
		text = bytes.ReplaceAll(text, []byte(value), []byte(mask))
	}
	for _, pattern := range unread {
		text = pattern.ReplaceAllFunc(text, func(found []byte) []byte {
			at := pattern.FindSubmatchIndex(found)
			if at == nil {
				return found
			}
			return append(append(append([]byte(nil), found[:at[3]]...), mask...), found[at[5]:]...)
		})
	}
	return []byte(maskLooks(string(text)))
}

// maskForm masks secrets in a form, pair by pair: what stands under one of the source's own secret names, and what looks
// like a secret elsewhere. A pair that cannot be read is masked like text. All else stays as it was written.
func (c *Cleaner) maskForm(form []byte) []byte {
	pairs := strings.Split(string(form), "&")
	for i, pair := range pairs {
		name, value, hasValue := strings.Cut(pair, "=")
		plainName, err := url.QueryUnescape(name)
		plainValue, failed := url.QueryUnescape(value)
		switch {
		case err != nil || failed != nil:
			pairs[i] = string(maskText([]byte(pair), c.values))
		case hasValue && c.secretName(plainName, []string{step(plainName)}):
			pairs[i] = maskValues(name, c.values) + "=" + mask
		case maskLooks(maskValues(plainValue, c.values)) != plainValue:
			pairs[i] = maskValues(name, c.values) + "=" + strings.ReplaceAll(url.QueryEscape(maskLooks(maskValues(plainValue, c.values))), url.QueryEscape(mask), mask)
		default:
			pairs[i] = maskValues(pair, c.values)
		}
	}
	return []byte(strings.Join(pairs, "&"))
}
