package transform

import (
	"path"
	"testing"
)

// A compiled step takes the names that path.Match takes.
func TestStepsMatchAsGlobs(t *testing.T) {
	for _, glob := range []string{"token", "auth", `*\[access_token\]*`, "*_token", "token*", "*token*", "*", "**", "a?c", "[ab]c", `*[ab]*`, `*\[[ab]*`, `*\\*`, `*\*`, `*\\[a]*`, `a\*`, ""} {
		matches := compileStep(glob)
		for _, name := range []string{"", "token", "tokens", "my_token", "auth[access_token]", "auth[access_token][0]", "access_token", "[access_token]", "abc", "ac", "bc", "[a", "x[b]", `a\`, `\`, "*", "a*", "ä"} {
			want, err := path.Match(glob, name)
			if want = want && err == nil; matches(name) != want {
				t.Errorf("%s takes %q: %t, not %t", glob, name, !want, want)
			}
		}
	}
}

// The quick look finds every text that a pattern could find something in.
func FuzzLooksSecret(f *testing.F) {
	for _, s := range []string{
		"token=qqq&x=1", "AUTHORIZATION: Basic dXNlcg==", "https://me:pass@host/x", "1000.0123456789abcdef.0123456789abcdef", "x?toKen=a", "?ſecret=a", "z-APIKEY", "zapi_key=1&", "<Client_Secret>a</Client_Secret>",
		"Bearer 0123456789abcdef", "passwd=a", "?pa\u017fſword=b", "proof%3Dx", "nothing here",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if !looksSecret(s) && maskLooks(s) != s {
			t.Errorf("%q was passed over", s)
		}
	})
}
