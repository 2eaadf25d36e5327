package body_test

import (
	"strings"
	"testing"
	"testing/quick"
	"unicode/utf8"

	"github.com/crm-bridge/crm-bridge/ingest/body"
)

// What is not encoded as it should be stays as it came, and hides nothing beside it.
func TestFormVerbatim(t *testing.T) {
	for text, want := range map[string]string{
		"a=50%":                    `{"a":"50%"}`,
		"a=%&b=%4&%c=%zz":          `{"a":"%","b":"%4","%c":"%zz"}`,
		"a=%u041F%20x":             `{"a":"%u041F x"}`,
		"a=M%fcller":               `{"a":"M%fcller"}`,
		"a=M\xfcller+%FC":          `{"a":"M%FCller %FC"}`,
		"a=%e5%95%86%E5%95&b=%ff1": `{"a":"商%E5%95","b":"%ff1"}`,
		"a=\xe5%95\x86":            `{"a":"商"}`,
		"\xff=1&a;b=2;c=3":         `{"%FF":"1","a;b":"2;c=3"}`,
		"a=%EF%BF%BD%ff":           "{\"a\":\"\ufffd%ff\"}",
		"a=1%00\x00":               `{"a":"1\u0000\u0000"}`,
		"%EF%BB%BFa=1":             "{\"\ufeffa\":\"1\"}",
	} {
		params, err := body.ParseForm(text, nil)
		if got := string(params.JSON()); got != want || err != nil {
			t.Errorf("%q became %s, not %s: %v", text, got, want, err)
		}
	}
}

// A form in UTF-16 is malformed: its names would hide what they say.
func TestFormInUTF16(t *testing.T) {
	for _, text := range []string{"t\x00o\x00k\x00e\x00n\x00=\x001\x00", "a=1&t%00o%00k%00e%00n%00=1"} {
		if params, err := body.ParseForm(text, nil); err == nil {
			t.Errorf("%q is read as %s", text, params.JSON())
		}
	}
}

// A form that Go can read reads the same, whatever it encodes.
func TestFormOfValidText(t *testing.T) {
	same := func(name, value string) bool {
		name = strings.ReplaceAll(name, "\x00", "?") // such names are malformed
		given := body.Params{{Name: strings.ToValidUTF8(name, "?"), Value: strings.ToValidUTF8(value, "?")}}
		read, err := body.ParseForm(given.Encode(), nil)
		return err == nil && len(read) == 1 && read[0] == given[0]
	}
	if err := quick.Check(same, nil); err != nil {
		t.Error(err)
	}
}

// Of more than a thousand parameters the first are returned beside the error, and those that may authenticate.
func TestFormWithTooManyParameters(t *testing.T) {
	text := strings.Repeat("a=1&", 5000) + strings.Repeat("secret=2&", 5000)
	params, err := body.ParseFormWith(text, nil, func(name string) bool { return name == "secret" })
	if err == nil || len(params) != 2000 || len(params.All("secret")) != 1000 {
		t.Errorf("%d parameters, %v", len(params), err)
	}
	if params, err = body.ParseForm(text, nil); err == nil || len(params) != 1000 {
		t.Errorf("%d parameters, %v", len(params), err)
	}
}

// A body is read in the charset that fits: what its mark says, its header, its XML declaration, UTF-8.
func TestText(t *testing.T) {
	for _, test := range []struct{ name, contentType, body, want string }{
		{"UTF-8", "", "ü", "ü"},
		{"a byte order mark", "", "\xef\xbb\xbfü", "ü"},
		{"a byte order mark against the header", "text/plain; charset=latin1", "\xef\xbb\xbfü", "ü"},
		{"UTF-16, little end first", "", "\xff\xfe\xfc\x00", "ü"},
		{"UTF-16, big end first", "", "\xfe\xff\x00\xfc", "ü"},
		{"UTF-16 without a mark", "", "{\x00}\x00", "{}"},
		{"UTF-16 without a mark, big end first", "", "\x00<\x00a", "<a"},
		{"UTF-16 by the header", "text/plain; charset=utf-16le", "\xfc\x00", "ü"},
		{"a header of UTF-16, a body of ASCII", "application/json; charset=utf-16", `{"a":1}`, `{"a":1}`},
		{"a header of UTF-16, a body of UTF-8", "text/plain; charset=utf-16le", "ü and a secret!", "ü and a secret!"},
		{"the header's", "text/plain; charset=windows-1251", "\xc8", "И"},
		{"not the header's", "text/plain; charset=shift_jis", "ü\xef\xbf\xbd", "ü\ufffd"},
		{"declared", "text/xml", "<?xml version='1.0' encoding='windows-1251' ?>\xc8", "<?xml version='1.0' encoding='windows-1251' ?>И"},
		{"declared, but the header counts", "text/xml; charset=utf-8", "<?xml version='1.0' encoding='windows-1251'?>ü", "<?xml version='1.0' encoding='windows-1251'?>ü"},
		{"HTML's own", "text/html", "<html><META charset=\"windows-1251\"><p>\xc8", "<html><META charset=\"windows-1251\"><p>И"},
		{"HTML's own, in a type", "text/html", "<meta http-equiv='Content-Type' content='text/html; charset=latin1'>\xfc", "<meta http-equiv='Content-Type' content='text/html; charset=latin1'>ü"},
		{"HTML's own, of UTF-8", "text/html", "<meta charset=latin1>ü", "<meta charset=latin1>ü"},
		{"two types", "text/xml, text/xml; charset=windows-1251", "\xc8", "И"},
		{"a broken type", `text/plain; charset="windows-1251; x`, "\xc8", "И"},
	} {
		_, _, charset, err := body.Content(test.contentType)
		if err != nil {
			t.Errorf("%s: %v", test.name, err)
		}
		if got, err := body.Text([]byte(test.body), charset); err != nil || got != test.want {
			t.Errorf("%s: %q, %v", test.name, got, err)
		}
	}
	for _, hidden := range []string{"s\x00e\x00c\x00", "\xff\xfe\x00\x00s\x00\x00\x00", "<\x00\x00\x00a\x00\x00\x00"} {
		if text, err := body.Text([]byte(hidden), nil); err == nil {
			t.Errorf("%q is read as %q", hidden, text)
		}
	}
	if text, err := body.Text([]byte("a\xff\xffb"), nil); err == nil || text != "a\ufffdb" {
		t.Errorf("what cannot be read is %q, %v", text, err)
	}
}

// A body that is UTF-8 is not copied.
func TestUTF8(t *testing.T) {
	raw := []byte(`{"a":"ü"}`)
	if got, err := body.UTF8(raw); err != nil || string(got) != `{"a":"ü"}` || &got[0] != &raw[0] {
		t.Errorf("%q, %v", got, err)
	}
}

// Whatever the charset and the bytes, text is UTF-8.
func FuzzText(f *testing.F) {
	for _, contentType := range []string{"", "text/xml; charset=shift_jis", "a/b; charset=utf-16", "application/json, application/json", "x; charset=\"", "text/plain; charset=klingon"} {
		f.Add(contentType, []byte("\xff\xfe<\x00"))
		f.Add(contentType, []byte("<?xml version='1.0' encoding='iso-8859-1'?>\xfc%"))
	}
	f.Fuzz(func(t *testing.T, contentType string, raw []byte) {
		_, _, charset, _ := body.Content(contentType)
		if text, _ := body.Text(raw, charset); !utf8.ValidString(text) {
			t.Errorf("%q", text)
		}
		text, err := body.Text(raw, nil)
		if got, failed := body.UTF8(raw); string(got) != text || (failed == nil) != (err == nil) {
			t.Errorf("UTF8 returns %q, %v, and Text %q, %v", got, failed, text, err)
		}
		for param := range body.Pairs(string(raw), charset) {
			if !utf8.ValidString(param.Name) || !utf8.ValidString(param.Value) {
				t.Errorf("%q", param)
			}
		}
	})
}

// Forms are read as they are sent: in order, repeated, in their charset; what cannot be read is malformed.
func TestForm(t *testing.T) {
	params, err := body.ParseForm("a=1&b=x+y&a=2&&c&%C3%BC=%F0%9F%98%80&<=%3C", nil)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := string(params.JSON()), `{"a":["1","2"],"b":"x y","c":"","ü":"😀","<":"<"}`; got != want {
		t.Errorf("%s, not %s", got, want)
	}
	again, err := body.ParseForm(params.Encode(), nil)
	if err != nil || string(again.JSON()) != string(params.JSON()) {
		t.Errorf("encoded and read again: %s %v", again.JSON(), err)
	}
}

// FuzzForm: whatever a form holds, what is read of it is valid JSON and reads back the same.
func FuzzForm(f *testing.F) {
	f.Add("a=1&b=x+y&a=2&&c&%C3%BC=%F0%9F%98%80")
	f.Add("a%5B%5D=%00&=;")
	f.Add("a=50%&b=%u041F&%zz=%4&c=\xfc%fc%C3")
	f.Fuzz(func(t *testing.T, text string) {
		params, err := body.ParseForm(text, nil)
		if err != nil {
			return
		}
		again, err := body.ParseForm(params.Encode(), nil)
		if err != nil || string(again.JSON()) != string(params.JSON()) {
			t.Errorf("%q became %s, then %s: %v", text, params.JSON(), again.JSON(), err)
		}
	})
}
