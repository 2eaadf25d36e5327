package publish

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
)

// What is taken for an object on one line is one for encoding/json too, and the other way round.
func FuzzOneLine(f *testing.F) {
	for _, text := range []string{
		`{"specversion":"1.0","id":"a","data":{"a":[1,-2.5e+3,true,false,null,"\u00e4\n\"ä"]}}`, `{}`, `{"a":01}`, `{"a":1} {"b":2}`, `{"a":1}}`,
		`[1]`, `{"a":"` + "\n" + `"}`, `{"a" : 1 , "b":[ ]}` + "\t", `{"a":tru}`, `{"a":-}`, `{"a":1.}`, `{"a":1e}`, `{"a":"\u12"}`, `{"a":"\x"}`, `{"12345678":"1234567\"89012345678"}`,
		`{"a":"äöüäöüäöüäöü` + "\x01" + `"}`, "{\"a\":\"0123456\x7f\x00\"}", `{"a":[}`, `{"a":{]`, `{"a":0.0,}`, "{\"a\":1,\n\"b\":2}",
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		var object map[string]json.RawMessage
		want := json.Unmarshal(text, &object) == nil && object != nil && !bytes.ContainsAny(text, "\r\n")
		if got := oneLine(text); got != want {
			t.Errorf("%q: %t", text, got)
		}
	})
}

// An object that is nested very deeply is left to the reader that knows bounds.
func TestOneLineIsBounded(t *testing.T) {
	if oneLine([]byte(`{"a":` + strings.Repeat("[", 1e6) + strings.Repeat("]", 1e6) + "}")) {
		t.Error("a million arrays in each other")
	}
}
