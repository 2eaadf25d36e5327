package transform

import (
	"bytes"
	"regexp"
	"strings"
	"unicode"
	"unicode/utf8"
)

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

// looks are credentials that give themselves away: URL parameters that sound like secrets, Authorization values, users in
// URLs, Zoho's OAuth tokens (1000.….…).
var looks = []struct {
	pattern *regexp.Regexp
	by      string
}{
	{regexp.MustCompile(`(?i)((?:^|[?&;])(?:proof|[\w.-]*(?:authorization|token|secret|passw(?:or)?d|api_?key))(?:=|%3D))(?:(?:zoho-oauthtoken|bearer|basic)(?:\s|%20|\+)+)?[^\s"'&,;<>\\]+`), "${1}" + mask},
	{regexp.MustCompile(`(?i)\b(authorization\s*[:=]\s*)(?:(?:zoho-oauthtoken|bearer|basic)(?:\s|%20|\+)+[^\s"'&,;<>\\]+|[^\s"'&,;<>\\]{16,})`), "${1}" + mask},
	{regexp.MustCompile(`(?i)\b(zoho-oauthtoken)(?:\s|%20|\+)+[^\s"'&,;<>\\]+`), "$1 " + mask},
	{regexp.MustCompile(`(?i)\b(bearer)(?:\s|%20|\+)+[A-Za-z0-9._~+/=-]{16,}`), "$1 " + mask},
	{regexp.MustCompile(`(://)[^@/?#\s"'<>]+@`), "$1" + mask + "@"},
	{regexp.MustCompile(`\b1000\.[0-9A-Za-z]{16,}\.[0-9A-Za-z]{16,}`), mask},
}

var hints = [][]byte{
	[]byte("authorization"), []byte("token"), []byte("secret"), []byte("passw"), []byte("api_key"), []byte("apikey"), []byte("proof"),
	[]byte("bearer"), []byte("1000."), []byte("@"),
}

// looksSecret tells whether maskLooks could find anything; it is much the cheaper of the two.
func looksSecret(text []byte) bool {
	lower := bytes.ToLower(text)
	for _, hint := range hints {
		if bytes.Contains(lower, hint) {
			return true
		}
	}
	return bytes.Contains(text, []byte(`\u`)) // a letter may be hidden behind an escape
}

func maskLooks(s string) string {
	for _, look := range looks {
		s = look.pattern.ReplaceAllString(s, look.by)
	}
	return s
}

// named is a secret in text that no parser could read: a name that sounds like one, then = or : in some spelling, then
// a value, which may be quoted and cut off; where a list or an object begins, all that follows goes.
var named = regexp.MustCompile(`(?i)([\w.-]*(?:token|secret|passw|pwd|authorization|credential|proof|signature|api.?key)[\w.-]*(?:%5D|\])?(?:\\?["'])?(?:\s|%20)*(?:=|:|%3D|%3A)(?:\s|%20)*)` +
	`([\[{][\s\S]*|%5B[\s\S]*|%7B[\s\S]*|"(?:[^"\\]|\\.)*"?|'[^']*'?|(?:(?:zoho-oauthtoken|bearer|basic)(?:\s|%20|\+)+)?[^\s"'&,;<>{}\[]+)`)

// maskText masks what looks like a secret, and values, in text that may be of any shape.
func maskText(text []byte, values []string) []byte {
	for _, value := range values {
		text = bytes.ReplaceAll(text, []byte(value), []byte(mask))
	}
	text = named.ReplaceAll(text, []byte("${1}"+mask))
	return []byte(maskLooks(string(text)))
}
