package transform_test

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/transform"
)

// spellings are encodings of a secret that programs use.
var spellings = map[string]func(string) string{
	"plainly":                       func(s string) string { return s },
	"percent-encoded":               url.QueryEscape,
	"percent-encoded, of a path":    url.PathEscape,
	"percent-encoded, lower case":   func(s string) string { return lowerEscapes(url.QueryEscape(s)) },
	"percent-encoded, %20":          func(s string) string { return strings.ReplaceAll(url.QueryEscape(s), "+", "%20") },
	"percent-encoded, every byte":   func(s string) string { return eachByte(s, "%%%02x") },
	"percent-encoded twice":         func(s string) string { return url.QueryEscape(url.QueryEscape(s)) },
	"percent-encoded thrice, lower": func(s string) string { return lowerEscapes(url.QueryEscape(url.QueryEscape(url.QueryEscape(s)))) },
	"HTML":                          html.EscapeString,
	"XML, named": func(s string) string {
		return strings.NewReplacer("&", "&amp;", "<", "&lt;", `"`, "&quot;", "'", "&apos;").Replace(s)
	},
	"decimal entities":               func(s string) string { return eachRune(s, "&#%d;") },
	"decimal entities with zeros":    func(s string) string { return eachRune(s, "&#%07d;") },
	"hexadecimal entities":           func(s string) string { return eachRune(s, "&#x%x;") },
	"hexadecimal entities, capitals": func(s string) string { return eachRune(s, "&#X%X;") },
	"HTML5's names": func(s string) string {
		return strings.NewReplacer("&", "&AMP;", "+", "&plus;", "/", "&sol;", "%", "&percnt;", "=", "&equals;", "#", "&num;", ":", "&colon;").Replace(s)
	},
	"HTML in a URL":                func(s string) string { return url.QueryEscape(html.EscapeString(s)) },
	"a URL in HTML":                func(s string) string { return html.EscapeString(url.QueryEscape(s)) },
	"escapes of JSON":              func(s string) string { return eachUTF16(s) },
	"JSON in JSON":                 func(s string) string { b, _ := json.Marshal(s); return strings.Trim(string(b), `"`) },
	"PHP's JSON":                   func(s string) string { return strings.ReplaceAll(s, "/", `\/`) },
	"a Basic header":               func(s string) string { return base64.StdEncoding.EncodeToString([]byte("user:" + s)) },
	"a Basic header, another user": func(s string) string { return base64.StdEncoding.EncodeToString([]byte("ab:" + s)) },
	"base64, safe for URLs":        func(s string) string { return base64.RawURLEncoding.EncodeToString([]byte("me:" + s + ":x")) },
	"a Basic header in a URL":      func(s string) string { return url.QueryEscape(base64.StdEncoding.EncodeToString([]byte("x:" + s))) },
}

func lowerEscapes(s string) string {
	var out strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] == '%' {
			out.WriteString(strings.ToLower(s[i : i+3]))
			i += 2
			continue
		}
		out.WriteByte(s[i])
	}
	return out.String()
}

func eachByte(s, format string) (out string) {
	for i := range len(s) {
		out += fmt.Sprintf(format, s[i])
	}
	return out
}

func eachRune(s, format string) (out string) {
	for _, r := range s {
		out += fmt.Sprintf(format, r)
	}
	return out
}

func eachUTF16(s string) (out string) {
	for _, r := range s {
		if r > 0xffff {
			out += fmt.Sprintf(`\u%04x\u%04x`, 0xd800+(r-0x10000)>>10, 0xdc00+(r-0x10000)&0x3ff)
			continue
		}
		out += fmt.Sprintf(`\u%04X`, r)
	}
	return out
}

var specialSecrets = []string{
	"url-safe_secret.0~1", `a+b/c%d&e=f#g h:i;j`, `"quoted" <secret> 'of' many`, `back\slash\nine\u0041`, "ünïcödé-sécret-ß", "emoji-😀-secret-😀", "%41%42%43%44%45%46", "&amp;&#38;&lt;&gt;", "1000000000000000", "same-same-same-same",
}

// A configured secret is masked however it is written, in the strings, the names and the records of an event, in what has
// no shape, and in what is quarantined. In JSON what stands beside it stays.
func TestSecretsInEverySpelling(t *testing.T) {
	for _, secret := range specialSecrets {
		r := transform.NewRedactor(map[string]ingest.Secrets{family: {Values: []string{secret}, Records: []string{"rows"}}})
		for how, spell := range spellings {
			written := spell(secret)
			text := "before " + written + " after"
			inJSON, err := json.Marshal(text)
			if err != nil {
				t.Fatal(err)
			}
			for name, body := range map[string]string{
				"a string":                 `{"a":` + string(inJSON) + `}`,
				"a name":                   `{` + string(inJSON) + `:1}`,
				"a record":                 `{"rows":[{"token":` + string(inJSON) + `}]}`,
				"a string, all in escapes": `{"a":"` + eachUTF16(text) + `"}`,
				"text":                     string(inJSON),
			} {
				got, err := r.Redacted(family, []byte(body))
				if err != nil {
					t.Fatal(err)
				}
				if !strings.Contains(string(got), "before *** after") {
					t.Errorf("%s, %s, in %s: %s", secret, how, name, got)
				}
			}
			for _, body := range []string{"a=" + url.QueryEscape(text) + "&b", "a=" + strings.ReplaceAll(text, "&", "%26"), "{" + text, "<x>" + text} {
				cb := ingest.Callback{Source: family, Method: http.MethodPost, Path: "/x", Header: http.Header{}, Body: []byte(body)}
				kept, err := r.Quarantine("id", cb, errors.New("because of "+written))
				if err != nil {
					t.Fatal(err)
				}
				var q transform.Quarantined
				if err := json.Unmarshal(kept, &q); err != nil {
					t.Fatal(err)
				}
				if strings.Contains(string(kept), written) || strings.Contains(q.Body, written) || strings.Contains(q.Reason, written) || !strings.Contains(q.Body, "***") {
					t.Errorf("%s, %s, in %s: %s", secret, how, body, kept)
				}
			}
		}
	}
}

// A text that only resembles a secret stays the same, byte for byte, whatever escapes it has.
func TestWhatIsNoSecretIsNotRewritten(t *testing.T) {
	r := transform.NewRedactor(map[string]ingest.Secrets{family: {Values: specialSecrets}})
	for _, text := range []string{
		"100% &amp; more &#38; 50%zz %", `C:\users\new \u0041 \uD83D`, "a+b/c%25d&e=f", "&unknown; &; &#; &#x; &#xffffffff; &#99999999;", "%41%42%43%44%45", "%2541 &amp;amp; \\\\",
	} {
		in, err := json.Marshal(map[string]string{text: text})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := r.Redacted(family, in); err != nil || string(got) != string(in) {
			t.Errorf("%s became %s: %v", in, got, err)
		}
	}
}

// Masking ends, and returns valid JSON without the secret, however often a text is encoded.
func FuzzSpellings(f *testing.F) {
	f.Add("%25%32%35", "x")
	f.Add("&amp;#x26;#37;41", "&#x41;")
	f.Add(`\u005cu0041%5cu0041`, "aaaaaaaaaaaa")
	f.Add("configured-secret", `\ud83d%ff&#0;`)
	r := transform.NewRedactor(map[string]ingest.Secrets{family: {Values: []string{"configured-secret", "a b", "%41%41%41%41%41"}}})
	f.Fuzz(func(t *testing.T, before, after string) {
		in, err := json.Marshal(before + "configured-secret" + after)
		if err != nil {
			t.Fatal(err)
		}
		got, err := r.Redacted(family, in)
		if err != nil || !json.Valid(got) || strings.Contains(string(got), "configured-secret") {
			t.Errorf("%s became %s: %v", in, got, err)
		}
	})
}
