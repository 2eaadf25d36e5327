package jsontext_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/crm-bridge/crm-bridge/schemas/jsontext"
)

var texts = []string{
	`{"specversion":"1.0","id":"a","data":{"a":[1,-2.5e+3,true,false,null,"\u00e4\n\"ä"]}}`, ` [ ] `, `{}`, `{"a":01}`, `{"a":1} {"b":2}`, `{"a":1}}`, `[1]`,
	"{\"a\":\"\n\"}", "{\"a\" : 1 , \"b\":[ ]}\t\r\n", `{"a":tru}`, `nul`, `-`, `1.`, `1e`, `1e5`, `-0.5E-7`, `0`, `-01`, `12345678901234567890.10`, `"\u12g4"`, `"\x"`, `"\`, `"`, ``,
	`{"12345678":"1234567\"89012345678"}`, "\"äöüäöüäöüäöü\x01\"", "{\"a\":\"0123456\x7f\x00\"}", `{"a":[}`, `{"a":{]`, `{"a":0.0,}`, `[1,]`, `{,}`, `{"a"}`, `[1 2]`, `{"a" "b"}`, "\"\xff\"",
	`{"a":1,"b":[{"c":"}\"]"}],"\u0061":"x\\","":null}`, `"é\ud800\u0041\ud83d\ude00\ud83d\ud83d\ude00\uDE00\ud83d"`, `["a`, `{"a":1,"a":2}`, "[1\x00]", "\v1", "\u00a01",
}

// Texts are valid, and have the same values and strings with every digit, as encoding/json decodes them, within the bound of nesting.
func FuzzJSON(f *testing.F) {
	for _, text := range texts {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		err := jsontext.Check(text)
		if inString := jsontext.Check(string(text)); !errors.Is(inString, err) {
			t.Fatalf("%q: %v as bytes, %v as a string", text, err, inString)
		}
		if deep := errors.Is(err, jsontext.ErrDepth); (err == nil) != json.Valid(text) && !deep || deep && bytes.Count(text, []byte("["))+bytes.Count(text, []byte("{")) <= jsontext.MaxDepth {
			t.Fatalf("%q: %v", text, err)
		}
		for range jsontext.Members(text) { // of a broken text too
		}
		for range jsontext.Entries(text) {
		}
		if err != nil || !utf8.Valid(text) {
			return
		}
		decoder := json.NewDecoder(bytes.NewReader(text))
		decoder.UseNumber()
		var want any
		if err := decoder.Decode(&want); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want, decode(text)); diff != "" {
			t.Errorf("members and entries of %s: %s", text, diff)
		}
		scanner := jsontext.Scanner[string]{Text: string(text)}
		if diff := cmp.Diff(want, scan(&scanner)); diff != "" || scanner.End() != nil {
			t.Errorf("scan of %s: %v: %s", text, scanner.Err(), diff)
		}
	})
}

// decode decodes a text by Members, Entries and StringOf. The last of duplicate members counts.
func decode(text []byte) any {
	text = bytes.TrimSpace(text)
	switch text[0] {
	case '{':
		object := map[string]any{}
		for name, value := range jsontext.Members(text) {
			object[string(name)] = decode(value)
		}
		return object
	case '[':
		list := []any{}
		for value := range jsontext.Entries(text) {
			list = append(list, decode(value))
		}
		return list
	}
	if s, ok := jsontext.StringOf(text); ok {
		return s
	}
	return literal(string(text))
}

// scan decodes the next value of a scanner.
func scan(s *jsontext.Scanner[string]) any {
	switch s.Kind() {
	case jsontext.Object:
		object := map[string]any{}
		for s.Enter(); s.More(); {
			_, name := s.Name()
			object[name] = scan(s)
		}
		return object
	case jsontext.List:
		list := []any{}
		for s.Enter(); s.More(); {
			list = append(list, scan(s))
		}
		return list
	case jsontext.String:
		_, decoded := s.String()
		return decoded
	}
	return literal(s.Literal())
}

func literal(raw string) any {
	switch raw {
	case "null":
		return nil
	case "true", "false":
		return raw == "true"
	}
	return json.Number(raw)
}

// A string decodes to itself, and has no escapes beyond those of encoding/json, except for \b and \f.
func FuzzAppendString(f *testing.F) {
	for _, s := range []string{"", "plain", "plain, and longer", `"\`, "\n\t\x00\x7f\b\f", "é金😀", "\xff", "0123456\xff\xfe", "a\u2028b\u2029", "<&>", "\u212a"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		text := jsontext.AppendString(nil, s)
		var back string
		if err := json.Unmarshal(text, &back); err != nil || back != string([]rune(s)) || !utf8.Valid(text) {
			t.Errorf("%q is written %s, which is %q: %v", s, text, back, err)
		}
		var least bytes.Buffer
		encoder := json.NewEncoder(&least)
		encoder.SetEscapeHTML(false)
		if err := encoder.Encode(string([]rune(s))); err != nil || len(text) > least.Len()-1+4*strings.Count(s, "\b")+4*strings.Count(s, "\f") {
			t.Errorf("%q is written %s, longer than %s: %v", s, text, least.Bytes(), err)
		}
	})
}

// Nesting of objects and lists is bounded, with those around the text included.
func TestMaxDepth(t *testing.T) {
	nested := func(levels int, inner string) string {
		return strings.Repeat(`[{"a":`, levels/2) + strings.Repeat("[", levels%2) + inner + strings.Repeat("]", levels%2) + strings.Repeat(`}]`, levels/2)
	}
	for _, test := range []struct {
		text   string
		inside int
		want   error
	}{
		{nested(jsontext.MaxDepth, `"a"`), 0, nil},
		{nested(jsontext.MaxDepth, `[]`), 0, jsontext.ErrDepth},
		{nested(jsontext.MaxDepth+1, `1`), 0, jsontext.ErrDepth},
		{nested(jsontext.MaxDepth-1, `1`), 1, nil},
		{nested(jsontext.MaxDepth, `1`), 1, jsontext.ErrDepth},
		{strings.Repeat("[", 1e6), 0, jsontext.ErrDepth},
		{strings.Repeat("[[],", 1e6), 0, jsontext.ErrDepth},
		{strings.Repeat("[],", 1e6), 0, jsontext.ErrInvalid},
	} {
		s := jsontext.Scanner[string]{Text: test.text, Depth: test.inside}
		if s.Skip(); !errors.Is(s.End(), test.want) {
			t.Errorf("%.80s inside %d: %v", test.text, test.inside, s.End())
		}
	}
}

// A lax scanner accepts control characters in strings, and nothing else that is invalid.
func TestLax(t *testing.T) {
	for text, want := range map[string]bool{"{\"a\":\"b\nc\"}": true, "{\"a\tb\":1}": true, "\"\x00\"": true, "\"\\\n\"": false, "\"\n": false, "[\x00]": false} {
		s := jsontext.Scanner[string]{Text: text, Lax: true}
		if s.Skip(); (s.End() == nil) != want || jsontext.Check(text) == nil {
			t.Errorf("%q: %v", text, s.End())
		}
	}
}

// After an error a scanner finds nothing more, and every loop ends.
func TestScannerStops(t *testing.T) {
	for _, text := range texts {
		for end := range len(text) {
			s := jsontext.Scanner[string]{Text: text[:end]}
			scan(&s)
			if err := s.End(); (err == nil) != json.Valid([]byte(text[:end])) || err != nil && (s.Kind() != jsontext.None || s.More()) {
				t.Errorf("%q: %v", text[:end], err)
			}
		}
	}
}

// Members and entries of a broken text are found, also behind a broken value.
func TestBrokenTexts(t *testing.T) {
	for text, want := range map[string]string{
		`{"a":1,"b":[1,},"c":"x"}`: `a=1 b=[1,} c="x"`, `{"a":"x","b":"y`: `a="x" b="y`, `{"a":{"b":1]},"c":2}`: `a={"b":1]`, `{"a":tru,"b":2`: `a=tru b=2`, `{"\x":1,"b":2`: `=1 b=2`,
		`[1,"a`: `1 "a`, `[1,}`: `1`, `{"a`: ``, `{"a":`: ``, `[`: ``, `{"a":}`: ``,
	} {
		var got []string
		for name, value := range jsontext.Members([]byte(text)) {
			got = append(got, string(name)+"="+string(value))
		}
		for value := range jsontext.Entries([]byte(text)) {
			got = append(got, string(value))
		}
		if all := strings.Join(got, " "); all != want {
			t.Errorf("%s: %s, not %s", text, all, want)
		}
	}
}

// Members and entries are separated by commas.
func TestAppend(t *testing.T) {
	out := jsontext.AppendMember([]byte("{"), "a", "b\"")
	out = append(jsontext.AppendName(out, "list"), '[')
	for _, id := range []string{"1", "2"} {
		out = jsontext.AppendString(jsontext.AppendComma(out), id)
	}
	out = append(append(jsontext.AppendName(append(out, ']'), "empty"), "{}"...), '}')
	if want := `{"a":"b\"","list":["1","2"],"empty":{}}`; string(out) != want {
		t.Errorf("%s, not %s", out, want)
	}
}

func BenchmarkCheck(b *testing.B) {
	text := []byte(`{"provider":"zoho","account":"default","channel":"1000000068001","module":"Leads","operation":"edit","ids":["5725767000003000010"],"occurredAt":"2024-06-11T14:25:53.625Z","fields":{"5725767000003000010":["Mobile"]},"values":{"5725767000003000010":{"Mobile":"123456789"}},"native":{"operation":"update","body":{"server_time":1718115953625,"query_params":{},"module":"Leads","resource_uri":"https://www.zohoapis.com/crm/v2/Leads","ids":["5725767000003000010"],"token":null}}}`)
	for name, check := range map[string]func() bool{
		"jsontext":      func() bool { return jsontext.Check(text) == nil },
		"encoding/json": func() bool { return json.Valid(text) },
	} {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			b.SetBytes(int64(len(text)))
			for b.Loop() {
				if !check() {
					b.Fatal("not JSON")
				}
			}
		})
	}
}
