package zoho

import (
	"net/url"
	"strings"
	"testing"
)

// A plain URL is one that net/url reads and writes as it is.
func FuzzPlainURL(f *testing.F) {
	for _, text := range []string{"https://www.zohoapis.com/crm/v2/Deals", "https://a//b/../c", "https:///x", "https://-", "https://h~_.x/", "https://h/?k=1", "https://h/%41", "https://u@h/", "https://h:1/"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if !isPlainURL(text) {
			return
		}
		u, err := url.Parse(text)
		if err != nil || u.String() != text || u.Host == "" || strings.ContainsAny(text, "?#@%") {
			t.Errorf("%q: %v, %v", text, u, err)
		}
	})
}
