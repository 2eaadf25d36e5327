package transform

import (
	"bytes"
	"regexp"
)

// looks are credentials that give themselves away: Authorization values and other URL parameters, users in URLs, Zoho's
// OAuth tokens (1000.….…).
var looks = []struct {
	pattern *regexp.Regexp
	by      string
}{
	{regexp.MustCompile(`(?i)(authorization|access_token|refresh_token|application_token|client_secret|proof)(=|%3D)(?:(?:zoho-oauthtoken|bearer|basic)(?:\s|%20|\+)+)?[^\s"'&,;<>\\]+`), "$1$2" + mask},
	{regexp.MustCompile(`(?i)\b(zoho-oauthtoken)(?:\s|%20|\+)+[^\s"'&,;<>\\]+`), "$1 " + mask},
	{regexp.MustCompile(`(?i)\b(bearer)(?:\s|%20|\+)+[A-Za-z0-9._~+/=-]{16,}`), "$1 " + mask},
	{regexp.MustCompile(`(://)[^@/?#\s"'<>]+@`), "$1" + mask + "@"},
	{regexp.MustCompile(`\b1000\.[0-9A-Za-z]{16,}\.[0-9A-Za-z]{16,}`), mask},
}

var hints = [][]byte{
	[]byte("authorization"), []byte("_token"), []byte("client_secret"), []byte("proof"), []byte("oauthtoken"), []byte("bearer"), []byte("1000."), []byte("@"),
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

// named is a secret in text that no parser could read: name, then = or : in some spelling, then a value, which may be
// quoted and cut off.
var named = regexp.MustCompile(`(?i)((?:token|authorization|secret|proof|password|api_?key)(?:%5D|\])?(?:\\?["'])?(?:\s|%20)*(?:=|:|%3D|%3A)(?:\s|%20)*)` +
	`("(?:[^"\\]|\\.)*"?|'[^']*'?|(?:(?:zoho-oauthtoken|bearer|basic)(?:\s|%20|\+)+)?[^\s"'&,;<>{}]+)`)

// maskText masks what looks like a secret, and values, in text that may be of any shape.
func maskText(text []byte, values []string) []byte {
	for _, value := range values {
		text = bytes.ReplaceAll(text, []byte(value), []byte(mask))
	}
	text = named.ReplaceAll(text, []byte("${1}"+mask))
	return []byte(maskLooks(string(text)))
}
