package transform

import (
	"regexp"
	"slices"
	"strings"
	"unicode"

	"github.com/crm-bridge/crm-bridge/ingest"
)

// common are credentials of any system that give themselves away: URL parameters of the names that keys have, Authorization
// values, XML elements of OAuth's names and members of JSON in a text, users in URLs.
var common = []maskPattern{
	{regexp.MustCompile(`(?i)((?:^|[?&;])(?:authorization|(?:access_|refresh_|application_|auth_?)?token|(?:client_)?secret|passw(?:or)?d|z?api_?key|proof)(?:=|%3D))((?:(?:[a-z]+-oauthtoken|bearer|basic)(?:\s|%20|\+)+)?[^\s"'&,;<>\\]+)`), words("authorization", "token", "secret", "passw", "api_key", "apikey", "proof"), false, '='},
	{regexp.MustCompile(`(?i)((?:^|[?&;])(?:auth|auth_id|refresh_id|app_sid|event_token|sessid)(?:=|%3D))([^\s"'&,;<>\\]{16,})`), words("auth", "refresh_id", "app_sid", "event_token", "sessid"), true, '='},
	{regexp.MustCompile(`(?i)(\bauthorization\s*[:=]\s*)((?:[a-z]+-oauthtoken|bearer|basic)(?:\s|%20|\+)+[^\s"'&,;<>\\]+)`), words("authorization"), false, 0},
	{regexp.MustCompile(`(?i)(\bauthorization\s*[:=]\s*)([^\s"'&,;<>\\]{16,})`), words("authorization"), true, 0},
	{regexp.MustCompile(`(?i)(\b[a-z]+-oauthtoken(?:\s|%20|\+)+)([^\s"'&,;<>\\]+)`), words("-oauthtoken"), false, 0},
	{regexp.MustCompile(`(?i)(\bbearer(?:\s|%20|\+)+)([A-Za-z0-9._~+/=-]{16,})`), words("bearer"), true, 0},
	{regexp.MustCompile(`(?i)(<(?:[\w.-]+:)?(?:access_token|refresh_token|application_token|client_secret|authorization)(?:\s[^>]*)?>)([^<]+)`), words("_token", "client_secret", "authorization"), false, '<'},
	{regexp.MustCompile(`(://)([^@/?#\s"'<>,;:]+:[^@/?#\s"'<>,;]+@)`), nil, false, 0},
	{regexp.MustCompile(`(?i)("(?:access_token|refresh_token|application_token|auth_token|event_token|client_secret|auth_id|refresh_id|app_sid)"\s*:\s*")([^"]+)`), words("_token", "client_secret", "auth_id", "refresh_id", "app_sid"), false, '\\'},
}

// maskPattern is a pattern whose first group stays and whose second is masked. With shaped set, only what has digits and letters is
// masked: the rest may be words.
type maskPattern struct {
	pattern *regexp.Regexp
	needs   *wordSet // every match contains one of these; nil: a user in a URL
	shaped  bool
	sign    byte // of a text in which nothing is encoded, and that matches, the JSON contains this byte; 0: none that is rare in JSON
}

// hints are words of which one stands wherever any of common matches that needs words.
var hints = []string{"auth", "token", "secret", "passw", "api_key", "apikey", "proof", "bearer", "refresh_id", "app_sid", "sessid", "client_secret"}

// looks are patterns of credentials.
type looks struct {
	all      []maskPattern
	hints    *wordSet // one of these stands wherever any of them matches that needs words
	signs    []byte   // of those that have one
	unsigned *wordSet // what those need that have none
}

// newLooks returns those that are common, and those of CRMs.
func newLooks(ofCRMs []ingest.Look) looks {
	all, needed := slices.Clone(common), slices.Clone(hints)
	for _, one := range ofCRMs {
		isKnown := func(known maskPattern) bool { return known.pattern.String() == one.Pattern.String() }
		if !slices.ContainsFunc(all, isKnown) { // the sources of a CRM share theirs
			all, needed = append(all, maskPattern{one.Pattern, words(one.Words...), one.Shaped, 0}), append(needed, one.Words...)
		}
	}
	made := looks{all: all, hints: words(needed...)}
	var unsigned []string
	for _, look := range all {
		switch {
		case look.needs == nil:
		case look.sign == 0:
			unsigned = append(unsigned, look.needs.words...)
		case !slices.Contains(made.signs, look.sign):
			made.signs = append(made.signs, look.sign)
		}
	}
	made.unsigned = words(unsigned...)
	return made
}

// mayMatch reports whether any of the looks that need words may match a text in JSON in which nothing is encoded. Names such as auth are
// in every callback of some CRMs, but what makes credentials of them is not.
func mayMatch[T haystack](json T, all looks) bool {
	isIn := func(sign byte) bool { return contains(json, string(rune(sign))) }
	return hasWord(json, all.unsigned) || slices.ContainsFunc(all.signs, isIn) && hasWord(json, all.hints)
}

// spans appends to found where a layer contains what looks like a credential.
func (all looks) spans(l *layer, found []span) []span {
	user := hasUser(l.text)
	if !user && !hasWord(l.text, all.hints) {
		return found
	}
	for _, look := range all.all {
		if look.needs == nil && user || look.needs != nil && hasWord(l.text, look.needs) {
			found = look.spans(l, found)
		}
	}
	return found
}

// hasUser reports whether a text may contain a user in a URL: an @ before the path.
func hasUser[T haystack](text T) bool {
	for at := index(text, "//"); at >= 0; at = index(text, "//") { // JSON has more colons than slashes
		if at == 0 || text[at-1] != ':' {
			text = text[at+1:]
			continue
		}
		text = text[at+len("//"):]
		end := 0
		for end < len(text) && strings.IndexByte("@/?#\"'<>,; \t\r\n\f", text[end]) < 0 {
			end++
		}
		if end > 0 && end < len(text) && text[end] == '@' {
			return true
		}
	}
	return false
}

func (l maskPattern) spans(text *layer, found []span) []span {
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
