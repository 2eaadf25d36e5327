package schemas

import (
	"strings"
	"testing"
)

// A schema with a keyword that the check does not implement is rejected by name, not ignored.
func TestUnknownKeywordsAreRejected(t *testing.T) {
	for document, want := range map[string]string{
		`{"maxLength":1}`:                             "at '/maxLength'",
		`{"properties":{"a":{"Required":["b"]}}}`:     "at '/properties/a/Required'",
		`{"items":{"type":["string","number"]}}`:      "at '/items/type'",
		`{"type":["null","string"]}`:                  "at '/type'",
		`{"type":["integer","null"]}`:                 "unknown type integer",
		`{"type":[]}`:                                 "at '/type'",
		`{"type":[7]}`:                                "at '/type'",
		`{"type":"integer"}`:                          "unknown type integer",
		`{"format":"uuid"}`:                           "unknown format uuid",
		`{"const":null}`:                              "at '/const'",
		`{"const":1}`:                                 "at '/const'",
		`{"additionalProperties":false}`:              "at '/additionalProperties'",
		`{"required":["a"]}`:                          "requires a",
		`{"pattern":"("}`:                             "at '/pattern'",
		`{"$schema":"http://json-schema.org/schema"}`: "at '/$schema'",
		`[]`: "must be an object",
	} {
		if _, err := compile([]byte(document), ""); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", document, err)
		}
	}
}

// An error names the place and what is required there, and shows none of the data.
func TestViolationsNameTheirPlace(t *testing.T) {
	set, err := Load()
	if err != nil {
		t.Fatal(err)
	}
	const start = `{"provider":"zoho","account":"a","channel":"1","module":"M","operation":"o","native":{"operation":"o","body":{}}`
	for data, want := range map[string]string{
		start + `,"ids":["1","",3]}`:                        "at '/ids/1': must have at least 1 characters",
		start + `,"ids":["1"],"values":{"a/b":"hidden"}}`:   "at '/values/a~1b': must be of the type object",
		start + `,"ids":["1"],"occurredAt":"hidden"}`:       "at '/occurredAt': must be a date and time",
		start + `,"ids":["1"],"module":"hidden hidden"}`:    "at '/module': must match ^[A-Za-z0-9_-]{1,100}$",
		start + `,"ids":["1"],"provider":"hidden"}`:         "at '/provider': must be the string zoho",
		start + `,"ids":[]}`:                                "at '/ids': must have at least 1 items",
		start + `}`:                                         "at '': must have ids",
		start + `,"ids":["1"],"fields":{"1":["a",hidden]}}`: "at '/fields/1/1': must be JSON",
	} {
		if err := set.Check("zoho-notifications", []byte(data)); err == nil || !strings.HasPrefix(err.Error(), want) || strings.Contains(err.Error(), "hidden") {
			t.Errorf("%s\n%v, not %s", data, err, want)
		}
	}
}

// A type may be one or null: each of both is checked, and an error names both.
func TestNullableTypes(t *testing.T) {
	s, err := compile([]byte(`{"properties":{"a":{"type":["object","null"],"required":["b"],"properties":{"b":{"type":["string","null"],"minLength":2}}}}}`), "")
	if err != nil {
		t.Fatal(err)
	}
	for data, want := range map[string]string{
		`{"a":null}`:        "",
		`{"a":{"b":null}}`:  "",
		`{"a":{"b":"xy"}}`:  "",
		`{"a":{"b":"x"}}`:   "at '/a/b': must have at least 2 characters",
		`{"a":{"b":false}}`: "at '/a/b': must be of the type string or null",
		`{"a":{}}`:          "at '/a': must have b",
		`{"a":"null"}`:      "at '/a': must be of the type object or null",
		`{"a":nil}`:         "at '/a': must be JSON",
		`{"a":null,"a":[]}`: "at '/a': must be of the type object or null",
	} {
		got := ""
		if err := s.check([]byte(data)); err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s: %q, not %q", data, got, want)
		}
	}
}

func BenchmarkCheck(b *testing.B) {
	set, err := Load()
	if err != nil {
		b.Fatal(err)
	}
	data := []byte(`{"provider":"zoho","account":"default","channel":"1000000068001","module":"Leads","operation":"edit","ids":["5725767000003000010"],"occurredAt":"2024-06-11T14:25:53.625Z","fields":{"5725767000003000010":["Mobile"]},"values":{"5725767000003000010":{"Mobile":"123456789"}},"native":{"operation":"update","body":{"server_time":1718115953625,"affected_values":[{"record_id":"5725767000003000010","values":{"Mobile":"123456789"}}],"query_params":{},"module":"Leads","resource_uri":"https://www.zohoapis.com/crm/v2/Leads","ids":["5725767000003000010"],"affected_fields":[{"5725767000003000010":["Mobile"]}],"operation":"update","channel_id":"1000000068001"}}}`)
	b.ReportAllocs()
	b.SetBytes(int64(len(data)))
	for b.Loop() {
		if err := set.Check("zoho-notifications", data); err != nil {
			b.Fatal(err)
		}
	}
}
