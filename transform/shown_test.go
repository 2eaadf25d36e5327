package transform_test

import (
	"encoding/json"
	"html"
	"net/url"
	"strings"
	"testing"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/transform"
)

// A secret that is shown under its name is removed everywhere else, in front of the name and behind it, in a name, a string and a number, in
// whatever spelling; what remains is as it was.
func FuzzShown(f *testing.F) {
	f.Add("a plain note", "shown-Token-0123456789", "x%20y &amp; z")
	f.Add("", "12345678901234-a", `\u0041`)
	f.Add("token", "a b c d e f g h 1", "ü\u2028")
	f.Add("%25", "%41%42%43%44%45%46a", "&#38;")
	r := transform.NewRedactor(map[string]ingest.Secrets{family: {Names: []string{"token"}, Values: []string{"configured-secret"}}})
	f.Fuzz(func(t *testing.T, before, secret, after string) {
		if strings.ContainsAny(before+after, `%&\`) {
			before, after = "", "" // they may change what the secret's spelling decodes to
		}
		quote := func(s string) string {
			text, err := json.Marshal(s)
			if err != nil {
				t.Fatal(err)
			}
			return string(text)
		}
		var others []string
		for _, spelt := range []string{secret, url.QueryEscape(secret), html.EscapeString(secret), url.QueryEscape(html.EscapeString(secret)), strings.Trim(quote(secret), `"`)} {
			others = append(others, quote(before+" "+spelt+" "+after))
		}
		list := "[" + strings.Join(others, ",") + "]"
		for _, body := range []string{`{"token":` + quote(secret) + `,"a":` + list + `}`, `{"a":` + list + `,"token":` + quote(secret) + `}`, `{"b":{` + others[0] + `:1},"token":` + quote(secret) + `}`} {
			got, err := r.Redacted(family, []byte(body))
			if err != nil {
				t.Fatalf("%s: %v", body, err)
			}
			if !json.Valid(got) || strings.Contains(string(got), `"token"`) && !strings.Contains(before+secret+after, "token") {
				t.Fatalf("%s became %s", body, got)
			}
			if isToken(secret) && holds(t, got, secret) {
				t.Fatalf("%s still has the secret: %s", body, got)
			}
		}
	})
}

// isToken reports whether a value is certainly shaped like a token, and none of its characters is part of an escape.
func isToken(secret string) bool {
	return len(secret) >= 12 && strings.ContainsAny(secret, "0123456789") && strings.ContainsAny(secret, "abcdefghijklmnopqrstuvwxyz") &&
		strings.Trim(secret, "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ-_.~/+<>'\":,@") == ""
}

// holds decodes a JSON text, and in its names and strings percent signs and entities as often as they can be, and reports whether it holds
// the secret anywhere.
func holds(t *testing.T, text []byte, secret string) bool {
	t.Helper()
	var value any
	if err := json.Unmarshal(text, &value); err != nil {
		t.Fatal(err)
	}
	var in func(value any) bool
	in = func(value any) bool {
		switch value := value.(type) {
		case map[string]any:
			for name, inner := range value {
				if in(name) || in(inner) {
					return true
				}
			}
		case []any:
			for _, inner := range value {
				if in(inner) {
					return true
				}
			}
		case string:
			for range 3 {
				if strings.Contains(value, secret) {
					return true
				}
				value = html.UnescapeString(value)
				if plain, err := url.QueryUnescape(value); err == nil {
					value = plain
				}
			}
		}
		return false
	}
	return in(value)
}
