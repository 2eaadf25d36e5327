package transform

import (
	"path"
	"regexp"
	"slices"
	"testing"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/schemas/jsontext"
)

// A compiled step matches the names that path.Match matches.
func TestStepsMatchAsGlobs(t *testing.T) {
	for _, glob := range []string{"token", "auth", `*\[access_token\]*`, "*_token", "token*", "*token*", "*", "**", "a?c", "[ab]c", `*[ab]*`, `*\[[ab]*`, `*\\*`, `*\*`, `*\\[a]*`, `a\*`, ""} {
		matches := new(nameTable).compileStep(glob)
		for _, name := range []string{"", "token", "tokens", "my_token", "auth[access_token]", "auth[access_token][0]", "access_token", "[access_token]", "abc", "ac", "bc", "[a", "x[b]", `a\`, `\`, "*", "a*", "ä"} {
			want, err := path.Match(glob, name)
			if want = want && err == nil; matches(name) != want {
				t.Errorf("%s takes %q: %t, not %t", glob, name, !want, want)
			}
		}
	}
}

// Every text that a look masks contains one of its words, and JSON with it may not be free of secrets.
func FuzzLooks(f *testing.F) {
	for _, s := range []string{
		"token=qqq&x=1", "AUTHORIZATION: Basic dXNlcg==", "https://me:pass@host/x", "1000.0123456789abcdef.0123456789abcdef", "x?to\u212aen=a", "?\u017fecret=a", "z-APIKEY", "zapi_key=1&",
		"<Client_Secret>a</Client_Secret>", "<a:refresh_to\u212aen>a</a>", "Bearer 0123456789abcdef", "passwd=a", "?pa\u017fsword=b", "proof%3Dx", "?auth=0123456789abcdef&", "/REST/1/0123456789ab/", "&app_\u017fid=0123456789abcdef", "Zoho-oauthto\u212aen 1", "nothing here",
		"authorization: 0123456789abcdef", "{\"auth_id\": \"abc\"}", "Authorization\t=x-oauthtoken 1", "<authorization>abc",
	} {
		f.Add(s)
	}
	all := newLooks([]ingest.Look{
		{Pattern: regexp.MustCompile(`()(\b1000\.[0-9A-Za-z]{8,}\.[0-9A-Za-z]{8,})`), Words: []string{"1000."}},
		{Pattern: regexp.MustCompile(`(?i)(/rest/[0-9]{1,10}/)([a-z0-9]{10,64})(?:$|[^a-z0-9.])`), Words: []string{"/rest/"}, Shaped: true},
	})
	f.Fuzz(func(t *testing.T, s string) {
		seen := all.spans(&layer{text: s}, nil)
		inJSON := jsontext.AppendString(nil, s)
		free := !isEncoded(inJSON) && !mayMatch(inJSON, all) && !hasUser(inJSON)
		for i, look := range all.all {
			for _, span := range look.spans(&layer{text: s}, nil) {
				if free {
					t.Errorf("%q: what look %d sees at %v may not be in %s", s, i, span, inJSON)
				}
				if !slices.Contains(seen, span) {
					t.Errorf("%q: what look %d sees at %v is left out", s, i, span)
				}
			}
		}
	})
}
