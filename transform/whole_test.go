package transform

import (
	"encoding/json"
	"regexp"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/schemas"
)

// Events that are searched as a whole are those of which each text is searched.
func FuzzWhole(f *testing.F) {
	const family = "zoho-notifications"
	for _, body := range []string{
		`{"a":"nothing","b":1.50,"c":null}`, `{"token":"shown-value-1","a":"see shown-value-1"}`, `{"a":"shown-value-1","token":"shown-value-1"}`, `{"token":"x"}`,
		`{"a":"configured-value"}`, `{"configured-value":1}`, `{"a":"derived-value-1"}`, `{"a":"tok-en x"}`, `{"a":123456789012}`, `{"a":"\u0063onfigured-secret"}`, `{"a":"configured%2Dvalue"}`,
		`{"a":"https://me:pass@host/x"}`, `{"a":"x?token=qqq"}`, `{"a":"1000.abcdefgh.abcdefgh"}`, `"api_code=planted-1&x"`, `{"api_code=planted-1":1}`, `{"api_code":"planted-12","b":"planted-12"}`,
		`{"a":"Y29uZmlndXJlZC12YWx1ZQ=="}`, `{"a":"o\u017feid"}`, `{"auth[domain]":"crm.example","auth":{"member_id":"1"},"author":"Zoe"}`, `{"auth":"?auth=0123456789abcdef"}`, `{"a":"authorization: 0123456789abcdef"}`, `{`, `{"a":"` + "\xff" + `"}`, `[{"token":["shown-value-1",{"a":"shown-value-2"}]},"shown-value-2"]`,
	} {
		f.Add([]byte(body), []byte(`{"Amount":1.10}`), "7", "Stage", "https://crm.example/Deals", "u", false)
		f.Add([]byte(`{"a":1}`), []byte(body), "7", "Stage", "https://crm.example/Deals", "u", true)
		f.Add([]byte(`{"a":1}`), []byte(`{}`), body, body, body, body, true)
	}
	f.Add([]byte(`{"a":1}`), []byte(`{}`), "1", "Stage", "/derived-value-1", "u", false)
	f.Add([]byte(`{"a":1}`), []byte(`{}`), "1", "Stage", "/Deals", "s\xff\xfe-value", false)
	f.Add([]byte(`{"token":"shown-value-1"}`), []byte(`{}`), "shown-value-1", "derived-value-1", "/derived-value-1", "s\xff\xfe-value", true)
	set, err := schemas.Load()
	if err != nil {
		f.Fatal(err)
	}
	redact := NewRedactor(map[string]ingest.Secrets{family: {
		Names: []string{"token", "api_code", "query.<secret>"}, Records: []string{"rows.values"}, Values: []string{"configured-value", "tok-en", "123456789012", "s\xff\xfe-value"},
		Looks: []ingest.Look{{Pattern: regexp.MustCompile(`()(\b1000\.[0-9A-Za-z]{8,}\.[0-9A-Za-z]{8,})`), Words: []string{"1000."}}},
	}})
	f.Fuzz(func(t *testing.T, body, values []byte, id, field, collection, by string, each bool) {
		m := &Mapping{Schemas: set, Redact: redact, PerRecord: each}
		c := ingest.Change{
			Source: family, Provider: "zoho", Account: "default", Channel: "7", Module: "Deals", Operation: "edit", IDs: []string{id, "2"}, Collection: collection, ChangedBy: by,
			ReceivedAt: time.UnixMilli(1718115999000), Origin: ingest.Live, Fields: map[string][]string{id: {field}}, Values: map[string]json.RawMessage{id: values},
			NativeOperation: "update", NativeBody: body, Mark: "m", Secrets: []string{"derived-value-1"}, Divided: []string{"ids"},
		}
		got, err := m.events(c)
		want, wantErr := m.made(&c, nativeOf(&c), redact.cleaner(c.Source, c.Org))
		if (err == nil) != (wantErr == nil) || err != nil && err.Error() != wantErr.Error() {
			t.Fatalf("%v in place of %v", err, wantErr)
		}
		if diff := cmp.Diff(want, got); err == nil && diff != "" {
			t.Error(diff)
		}
	})
}
