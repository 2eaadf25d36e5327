package rest

import (
	"net/url"
	"regexp"
	"strings"
)

// maxText is the number of bytes to which Clean shortens a text.
const maxText = 300

// Clean makes a server's text fit for an error or a log: on one line, short, with every secret replaced by ***, also where it is
// percent-encoded, and with what matches one of masks replaced likewise.
func Clean(text string, secrets []string, masks ...*regexp.Regexp) string {
	for _, secret := range secrets {
		if secret != "" {
			text = strings.ReplaceAll(text, secret, "***")
			text = strings.ReplaceAll(text, url.QueryEscape(secret), "***")
		}
	}
	for _, mask := range masks {
		text = mask.ReplaceAllString(text, "***")
	}
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == 0xfffd {
			return ' '
		}
		return r
	}, text)
	text = strings.Join(strings.Fields(text), " ")
	if len(text) > maxText {
		text = strings.ToValidUTF8(text[:maxText], "") + "…"
	}
	return text
}
