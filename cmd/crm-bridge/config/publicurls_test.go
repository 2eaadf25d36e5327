package config

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// Public URLs are a list without slashes at the ends; events and subscriptions use the first.
func TestPublicURLs(t *testing.T) {
	for value, want := range map[string]PublicURLs{
		"": nil, "https://crm.example.com": {"https://crm.example.com"}, "https://crm.example.com/eu/ , http://old.example.com:8080,": {"https://crm.example.com/eu", "http://old.example.com:8080"},
	} {
		var s Settings
		if err := s.PublicURL.Decode(value); err != nil || cmp.Diff(want, s.PublicURL) != "" {
			t.Errorf("%q: %v, %v", value, s.PublicURL, err)
		}
		if first := append(want, "")[0]; s.BaseURL() != first {
			t.Errorf("the first of %q is %q", value, s.BaseURL())
		}
	}
}

// The paths are those of all URLs that have one, as a request has them: percent-encoded.
func TestPathsOfPublicURLs(t *testing.T) {
	var urls PublicURLs
	if err := urls.Decode("https://crm.example.com,https://a.example.com/eu/x/,https://b.example.com/eu/x,https://c.example.com/a%20b"); err != nil {
		t.Fatal(err)
	}
	if want := []string{"/eu/x", "/a%20b"}; cmp.Diff(want, urls.Paths()) != "" {
		t.Error(cmp.Diff(want, urls.Paths()))
	}
}
