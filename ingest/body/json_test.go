package body_test

import (
	"bytes"
	"encoding/json"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/crm-bridge/crm-bridge/ingest/body"
)

// Members, entries and strings are those that encoding/json finds, with the last of a name; on anything else nothing breaks.
func FuzzJSON(f *testing.F) {
	for _, text := range []string{
		`{"a":1,"b":[{"c":"}\"]"}],"\u0061":"x\\","":null}`, ` { "a" : -1.5e3 , "b":{} } `, `[1, "a,b" ,[2,3],{"d":"]"},null]`, `[]`, `{}`, `"a\"b\\"`, `"é\ud800"`, `{`, `{"`, `{"a`, `{"a":`, `{"a":1`, `["\`, `["a"`, ``, `12`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		members := map[string]string{}
		for name, value := range body.Members(text) {
			members[string(name)] = string(value)
		}
		var entries []string
		for entry := range body.Entries(text) {
			entries = append(entries, string(entry))
		}
		s, isString := body.StringOf(bytes.TrimSpace(text))
		if !json.Valid(text) || !utf8.Valid(text) {
			return
		}
		object := map[string]json.RawMessage{}
		_ = json.Unmarshal(text, &object)
		want := map[string]string{}
		for name, value := range object {
			want[name] = string(value)
		}
		if diff := cmp.Diff(want, members); diff != "" {
			t.Errorf("members of %s: %s", text, diff)
		}
		var list []json.RawMessage
		_ = json.Unmarshal(text, &list)
		var wanted []string
		for _, entry := range list {
			wanted = append(wanted, string(entry))
		}
		if diff := cmp.Diff(wanted, entries); diff != "" {
			t.Errorf("entries of %s: %s", text, diff)
		}
		var said *string
		if err := json.Unmarshal(text, &said); (err == nil && said != nil) != isString || isString && *said != s {
			t.Errorf("%s says %q, %t", text, s, isString)
		}
	})
}

// A string is written as encoding/json writes it, but for the escapes of HTML.
func FuzzJSONString(f *testing.F) {
	for _, s := range []string{"", "plain", `"\`, "\n\t\x00\x7f", "é金", "\xff", "a\u2028b\u2029", "<&>", "\u212a"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		var want bytes.Buffer
		encoder := json.NewEncoder(&want)
		encoder.SetEscapeHTML(false)
		if err := encoder.Encode(s); err != nil {
			t.Fatal(err)
		}
		if got := string(body.JSONString(s)) + "\n"; got != want.String() {
			t.Errorf("%q is written %s, not %s", s, got, want.String())
		}
	})
}

// A whole number of up to 30 digits is one, however large; nothing else is.
func TestIsInteger(t *testing.T) {
	for text, want := range map[string]bool{
		"0": true, "-9223372036854775808": true, "123456789012345678901234567890": true, "1234567890123456789012345678901": false,
		"": false, "-": false, "1.0": false, "1e3": false, `"1"`: false, "null": false, "--1": false,
	} {
		if got := body.IsInteger([]byte(text)); got != want {
			t.Errorf("%s: %t", text, got)
		}
	}
}
