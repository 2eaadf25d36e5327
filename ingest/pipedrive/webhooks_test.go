package pipedrive_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/ingesttest"
	"github.com/crm-bridge/crm-bridge/ingest/pipedrive"
	"github.com/crm-bridge/crm-bridge/schemas"
	"github.com/crm-bridge/crm-bridge/transform"
)

const (
	password = "s3cret:with-colon"
	older    = "the-older-password"
	apiToken = "0123456789abcdef0123456789abcdef01234567"
	basic    = "Y3JtLWJyaWRnZTpzM2NyZXQ6d2l0aC1jb2xvbg==" // crm-bridge:s3cret:with-colon
)

func source(companies ...string) *pipedrive.Webhooks {
	return &pipedrive.Webhooks{User: "crm-bridge", Passwords: ingest.SecretList{password, older}, Companies: companies, APIToken: apiToken}
}

func mapping(t testing.TB) *transform.Mapping {
	t.Helper()
	set, err := schemas.Load()
	if err != nil {
		t.Fatal(err)
	}
	redactor := transform.NewRedactor(map[string]ingest.Secrets{pipedrive.WebhooksLabel: source().Secrets()})
	return &transform.Mapping{Schemas: set, Redact: redactor}
}

func callback(raw []byte) ingest.Callback {
	return ingest.Callback{
		Source: pipedrive.WebhooksLabel, At: time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC), Method: http.MethodPost,
		Path: "/pipedrive/webhooks", Header: http.Header{"Authorization": {"Basic " + basic}, "Content-Type": {"application/json"}}, Body: raw,
	}
}

func read(t testing.TB, name string) []byte {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("testdata", name))
	if err != nil {
		t.Fatal(err)
	}
	return content
}

func decode(t testing.TB, raw string) ingest.Change {
	t.Helper()
	changes, err := source().Decode(callback([]byte(raw)))
	if err != nil || len(changes) != 1 {
		t.Fatalf("%d changes: %v", len(changes), err)
	}
	return changes[0]
}

// What Pipedrive sends becomes the golden events.
func TestGoldenEvents(t *testing.T) {
	for _, name := range []string{"deal-change", "person-delete-merged", "lead-create", "deal-product-change-numbers"} {
		events, err := mapping(t).Events(decode(t, string(read(t, name+".json"))))
		if err != nil {
			t.Fatal(err)
		}
		var indented bytes.Buffer
		compact := events[0].AppendJSON(nil)
		if err := json.Indent(&indented, compact, "", "  "); err != nil {
			t.Fatal(err)
		}
		indented.WriteByte('\n')
		path := filepath.Join("testdata", name+".event.json")
		if *ingesttest.Update {
			if err := os.WriteFile(path, indented.Bytes(), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff(string(read(t, name+".event.json")), indented.String()); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
}

// User and password authenticate a callback together, each password of a rotation does, and the header is enough: no body is needed.
func TestOnlyTheCredentialsAuthenticate(t *testing.T) {
	pair := func(user, password string) http.Header {
		request := http.Request{Header: http.Header{}}
		request.SetBasicAuth(user, password)
		return request.Header
	}
	for name, test := range map[string]struct {
		header  http.Header
		genuine bool
	}{
		"the vector of RFC 7617":    {http.Header{"Authorization": {"Basic " + basic}}, true},
		"the scheme in lower case":  {http.Header{"Authorization": {"basic " + basic}}, true},
		"the older password":        {pair("crm-bridge", older), true},
		"no header":                 {http.Header{}, false},
		"nil":                       {nil, false},
		"an empty header":           {http.Header{"Authorization": {""}}, false},
		"more spaces":               {http.Header{"Authorization": {"Basic   " + basic}}, true},
		"the second of two headers": {http.Header{"Authorization": {"Bearer x", "Basic " + basic}}, true},
		"the first of two headers":  {http.Header{"Authorization": {"Basic " + basic, "Basic eDp5"}}, true},
		"two wrong headers":         {http.Header{"Authorization": {"Basic eDp5", "Basic eDp5"}}, false},
		"two in one header":         {http.Header{"Authorization": {"Basic eDp5, Basic " + basic}}, false},
		"another user":              {pair("crm-bridge2", password), false},
		"a colon moved to the user": {pair("crm-bridge:s3cret", "with-colon"), true}, // the same text, which Basic cannot tell apart
		"a longer password":         {pair("crm-bridge", password+"x"), false},
		"no password":               {pair("crm-bridge", ""), false},
		"a bearer":                  {http.Header{"Authorization": {"Bearer " + password}}, false},
		"not base64":                {http.Header{"Authorization": {"Basic " + password}}, false},
	} {
		err := source().Verify(t.Context(), ingest.Callback{Header: test.header})
		if test.genuine != (err == nil) || err != nil && !errors.Is(err, ingest.ErrForged) {
			t.Errorf("%s: %v", name, err)
		}
		if err != nil && (strings.Contains(err.Error(), "s3cret") || strings.Contains(err.Error(), basic)) {
			t.Errorf("%s: the error shows the password: %v", name, err)
		}
	}
	if err := (&pipedrive.Webhooks{User: "crm-bridge"}).Verify(t.Context(), callback(nil)); !errors.Is(err, ingest.ErrForged) {
		t.Errorf("without a password: %v", err)
	}
}

// A callback of a company that is not configured is ignored, in whatever version; without a list all that authenticate count.
func TestCompaniesThatAreNotConfigured(t *testing.T) {
	for _, name := range []string{"deal-change.json", "deal-product-change-numbers.json", "version-1.json"} {
		if _, err := source("1", "102030").Decode(callback(read(t, name))); !errors.Is(err, ingest.ErrIgnored) || !strings.Contains(err.Error(), "BRIDGE_PIPEDRIVE_COMPANIES does not name 10203040") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if changes, err := source("1", "10203040").Decode(callback(read(t, "deal-change.json"))); err != nil || changes[0].Account != "10203040" {
		t.Errorf("a listed one: %v", err)
	}
}

// What cannot be understood is malformed, with a reason for people that quotes nothing of it.
func TestMalformed(t *testing.T) {
	change := string(read(t, "deal-change.json"))
	for _, test := range []struct{ body, says string }{
		{string(read(t, "version-1.json")), "version 2.0"},
		{`{"meta":{"action":"change","entity":"deal","entity_id":"1","company_id":"1"}}`, "meta.version must be 2.0"},
		{strings.Replace(change, `"version":"2.0"`, `"version":"3.0"`, 1), "2.0"},
		{strings.Replace(change, `"entity":"deal"`, `"entity":"planted deal"`, 1), "module must be"},
		{strings.Replace(change, `"entity_id":"4711"`, `"entity_id":null`, 1), "meta.entity_id is missing"},
		{strings.Replace(change, `"entity_id":"4711"`, `"entity_id":"{planted}"`, 1), "merge field"},
		{strings.Replace(change, `"entity_id":"4711"`, `"entity_id":{"planted":1}`, 1), "must be a string or a whole number"},
		{strings.Replace(change, `"company_id":"10203040"`, `"company_id":""`, 1), "meta.company_id"},
		{strings.Replace(change, `"action":"change"`, `"action":"planted-word"`, 1), "operation must be"},
		{strings.Replace(change, `"previous":{`, `"previous":["planted"],"x":{`, 1), "previous must be an object or null"},
		{`["planted"]`, "not a JSON object"},
		{`{"meta":`, "JSON"},
		{"", "not a JSON object"},
	} {
		_, err := source().Decode(callback([]byte(test.body)))
		if !errors.Is(err, ingest.ErrMalformed) || !strings.Contains(err.Error(), test.says) || strings.Contains(err.Error(), "planted") {
			t.Errorf("%.60s: %v", test.body, err)
		}
	}
}

// The time is RFC 3339, or seconds or milliseconds since 1970, as a number or as text; anything else leaves it unknown.
func TestTimestamps(t *testing.T) {
	want := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Time{
		`"2026-11-30T12:00:00.418Z"`: want.Add(418 * time.Millisecond), `"2026-11-30T13:00:00+01:00"`: want, `1796040000`: want, `"1796040000"`: want,
		`1796040000418`: want.Add(418 * time.Millisecond), `"1796040000000"`: want, `"2026-11-30 12:00:00"`: want, `1e30`: {},
		`"yesterday"`: {}, `null`: {}, `{}`: {}, `-1`: {},
	} {
		raw := strings.Replace(string(read(t, "deal-change.json")), `"2026-11-20T09:15:02.418Z"`, text, 1)
		if got := decode(t, raw); !got.OccurredAt.Equal(want) {
			t.Errorf("%s is %s", text, got.OccurredAt)
		}
	}
}

// Pipedrive's own words are translated, in any letter case; a word without a translation stays.
func TestOperations(t *testing.T) {
	for native, want := range map[string]string{"create": "create", "change": "edit", "Change": "edit", "delete": "delete", "merge": "merge"} {
		raw := strings.Replace(string(read(t, "deal-change.json")), `"action":"change"`, `"action":"`+native+`"`, 1)
		if got := decode(t, raw); got.Operation != want || got.NativeOperation != native {
			t.Errorf("%s is %s", native, got.Operation)
		}
	}
}

// What a change needs not have loses none for its shape: who made it, by which webhook, and the id of the event.
func TestOptionalMembersOfOtherShapes(t *testing.T) {
	change := string(read(t, "deal-change.json"))
	for _, member := range []string{`"user_id":"501"`, `"webhook_id":"88001"`, `"id":"7c0e7f2e-4c9b-4f6e-9a53-0d2f5b1d8f10"`} {
		name, _, _ := strings.Cut(member, ":")
		for _, value := range []string{`{"id":501}`, `"an automation"`, `1.5`, `true`, `""`, `null`} {
			if !strings.Contains(change, member) {
				t.Fatalf("the callback has no %s", member)
			}
			got := decode(t, strings.Replace(change, member, name+":"+value, 1))
			absent := map[string]string{`"user_id"`: got.ChangedBy, `"webhook_id"`: got.Channel, `"id"`: got.Mark}
			if absent[name] != "" || got.IDs[0] != "4711" || got.Operation != "edit" {
				t.Errorf("%s as %s: %+v", name, value, got)
			}
		}
	}
}

// A deletion has the last state and no values, whatever data says.
func TestDeletions(t *testing.T) {
	raw := strings.Replace(string(read(t, "person-delete-merged.json")), `"data":null`, `"data":{"id":9002}`, 1)
	if got := decode(t, raw); got.Values != nil || got.Fields != nil || string(got.Previous["9002"]) != `{"id":9002,"name":"J. Doe"}` {
		t.Errorf("%+v", got)
	}
}

// A body may nest as deep as the bridge allows, and no deeper.
func TestNesting(t *testing.T) {
	m := mapping(t)
	of := func(value string) ingest.Callback {
		return callback([]byte(`{"meta":{"version":"2.0","action":"create","entity":"deal","entity_id":"1","company_id":"1"},"x":` + value + `}`))
	}
	ingesttest.Nesting(t, source(), of, func(change ingest.Change) ([][]byte, error) {
		events, err := m.Events(change)
		if err != nil {
			return nil, err
		}
		return [][]byte{events[0].Data}, nil
	})
}

// Pipedrive would suspend a webhook whose callbacks are answered with 400.
func TestQuarantinedCallbacksAreForgiven(t *testing.T) {
	if _, ok := any(source()).(ingest.Forgiving); !ok {
		t.Error("they are answered with 400")
	}
}

// Whatever arrives, decoding does not panic, an event is valid JSON, no digit of a record id is lost, and no secret is shown.
func FuzzWebhook(f *testing.F) {
	samples, err := filepath.Glob("testdata/*.json")
	if err != nil {
		f.Fatal(err)
	}
	for _, path := range samples {
		f.Add(read(f, filepath.Base(path)))
	}
	f.Add([]byte(`{"meta":{"version":2.0,"action":"change","entity":"deal","entity_id":1,"company_id":1},"previous":{"custom_fields":{"` + password + `":1}}}`))
	f.Add([]byte("\xff\xfe{\x00}\x00"))
	s, m := source(), mapping(f)
	f.Fuzz(func(t *testing.T, raw []byte) {
		cb := callback(raw)
		changes, err := s.Decode(cb)
		for _, change := range changes {
			if !bytes.Contains(raw, []byte(change.IDs[0])) && !bytes.Contains(raw, []byte{'\\'}) && bytes.IndexByte(raw, 0) < 0 {
				t.Errorf("the id %q is not in %q", change.IDs[0], raw)
			}
			if events, err := m.Events(change); err == nil {
				checkOutput(t, events[0].Data)
			}
		}
		if err != nil && !errors.Is(err, ingest.ErrMalformed) {
			t.Errorf("%v", err)
		}
		kept, err := m.Redact.Quarantine("id", cb, ingest.ErrMalformed)
		if err != nil {
			t.Fatal(err)
		}
		checkOutput(t, kept)
	})
}

func checkOutput(t *testing.T, out []byte) {
	if !json.Valid(out) {
		t.Fatalf("not JSON: %q", out)
	}
	for _, secret := range []string{password, older, apiToken, basic} {
		if bytes.Contains(out, []byte(secret)) {
			t.Errorf("shows the secret %q: %s", secret, out)
		}
	}
}
