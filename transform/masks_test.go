package transform

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/crm-bridge/crm-bridge/ingest"
)

const hashedAda = "hmac-sha256:" // of any value

func masksOf(t *testing.T, drop, hash string) *Masks {
	t.Helper()
	var d, h ingest.Fields
	if err := errors.Join(d.Decode(drop), h.Decode(hash)); err != nil {
		t.Fatal(err)
	}
	return NewMasks(d, h, "a key of sixteen or more")
}

// A masked field is in no part of an event: values, old values, names of changed fields, and what the CRM sent, at every depth and in any
// spelling that CRMs use. Everything else stays as it was.
func TestMaskedFields(t *testing.T) {
	masks := masksOf(t, "acme.Deals.Phone,*.*.Secret_Note", "acme.*.Email")
	change, err := masks.change(ingest.Change{
		Provider: "acme", Module: "Deals",
		Fields:   map[string][]string{"1": {"Phone", "Email", "Stage"}},
		Values:   map[string]json.RawMessage{"1": json.RawMessage(`{"id":"1","Phone":"030","Email":"ada@example.com","Amount":1.10,"Owner":{"email":"bob@example.com","name":"Bob"}}`)},
		Previous: map[string]json.RawMessage{"1": json.RawMessage(`{"phone":"031","Email":null}`)},
		NativeBody: json.RawMessage(`{"affected_values":[{"record_id":"1","values":{"Phone":"030","Stage":"Won"}}],"affected_fields":[{"1":["Phone","Stage"]}],
			"propertyName":"email","propertyValue":"ada@example.com","data[FIELDS][PHONE][0][VALUE]":"030","data[FIELDS][TITLE]":"x","SECRET_NOTE":7}`),
	})
	if err != nil {
		t.Fatal(err)
	}
	all, err := json.Marshal(change)
	if err != nil {
		t.Fatal(err)
	}
	for _, leaked := range []string{"030", "031", "ada@", "bob@", `"Phone"`, `"phone"`, "[PHONE]", "SECRET_NOTE"} {
		if strings.Contains(string(all), leaked) {
			t.Errorf("%s is left in %s", leaked, all)
		}
	}
	for _, kept := range []string{`"Amount":1.10`, `"name":"Bob"`, `"Stage":"Won"`, `["Stage"]`, `"data[FIELDS][TITLE]":"x"`, `{"Email":null}`} {
		if !strings.Contains(string(all), kept) {
			t.Errorf("%s is gone from %s", kept, all)
		}
	}
	var values struct{ Email string }
	if err := json.Unmarshal(change.Values["1"], &values); err != nil || !strings.HasPrefix(values.Email, hashedAda) {
		t.Errorf("%v: the address became %q", err, values.Email)
	}
	again, err := masks.change(change)
	if err != nil || string(again.Values["1"]) != string(change.Values["1"]) {
		t.Errorf("%v: masked twice it is %s", err, again.Values["1"])
	}
	other, err := masks.change(ingest.Change{Provider: "acme", Module: "Leads", Values: map[string]json.RawMessage{"1": json.RawMessage(`{"Phone":"030"}`)}})
	if err != nil || string(other.Values["1"]) != `{"Phone":"030"}` {
		t.Errorf("%v: another module's field became %s", err, other.Values["1"])
	}
}

// A field is masked in XML too, as an attribute, in a namespace, and where it is named beside its text; of a text, in which fields cannot be
// told apart, nothing is left. A part of a field may be named as the CRM names it, or by itself.
func TestMaskedTexts(t *testing.T) {
	masks := masksOf(t, "acme.*.Phone,acme.*.custom_fields.birthday", "")
	for body, want := range map[string]string{
		`"Phone=030"`:                                  `""`,
		`{"@Phone":"030","x":"1"}`:                     `{"x":"1"}`,
		`{"z:Phone":"030"}`:                            `{}`,
		`{"FL":{"@val":"Phone","#text":"030"}}`:        `{"FL":{"@val":"Phone"}}`,
		`{"custom_fields":{"birthday":"030","a":"b"}}`: `{"custom_fields":{"a":"b"}}`,
	} {
		change, err := masks.change(ingest.Change{
			Provider: "acme", Module: "Deals", NativeBody: json.RawMessage(body), Fields: map[string][]string{"1": {"custom_fields.birthday", "x.Phone", "y"}},
		})
		if err != nil || string(change.NativeBody) != want || len(change.Fields["1"]) != 1 {
			t.Errorf("%v: %s became %s, its fields %v", err, body, change.NativeBody, change.Fields)
		}
	}
}

// What a record's id is made of is never masked: its events would be of another record.
func TestIdentityIsNotMasked(t *testing.T) {
	var all ingest.Fields
	if err := all.Decode("acme.*.*,acme.*.TYPE_ID"); err != nil {
		t.Fatal(err)
	}
	change, err := NewMasks(all, nil, "", "TYPE_ID").change(ingest.Change{
		Provider: "acme", Module: "Items", Values: map[string]json.RawMessage{"1": json.RawMessage(`{"ID":"1","TYPE_ID":128,"Phone":"030"}`)},
	})
	if want := `{"ID":"1","TYPE_ID":128}`; err != nil || string(change.Values["1"]) != want {
		t.Errorf("%v: the values are %s, and not %s", err, change.Values["1"], want)
	}
}

// Where every field is masked, only ids are left.
func TestEveryFieldMasked(t *testing.T) {
	change, err := masksOf(t, "acme.Contacts.*", "").change(ingest.Change{
		Provider: "acme", Module: "Contacts", Fields: map[string][]string{"1": {"Phone"}}, NativeBody: json.RawMessage(`{"a":"030"}`),
		Values: map[string]json.RawMessage{"1": json.RawMessage(`{"id":"1","Phone":"030"}`)},
	})
	if err != nil || string(change.Values["1"]) != `{"id":"1"}` || string(change.NativeBody) != `{}` || len(change.Fields["1"]) != 0 {
		t.Errorf("%v: %+v", err, change)
	}
}

// A quarantined callback shows no masked field either, of whatever module; where fields cannot be told apart nothing of its body is kept.
func TestMaskedInQuarantine(t *testing.T) {
	mapping := &Mapping{Redact: NewRedactor(nil), Masks: masksOf(t, "acme.Deals.Phone", "acme.Deals.Email")}
	for name, test := range map[string]struct {
		contentType, body, query, want string
	}{
		"JSON":        {"application/json", `{"Phone":"030","Email":"ada@example.com","x":1}`, "", `"x":1`},
		"form":        {"application/x-www-form-urlencoded", "Phone=030&Email=ada%40example.com&x=1", "", "x=1"},
		"query":       {"", "", "Phone=030&Email=ada%40example.com&x=1", "x=1"},
		"text":        {"text/plain", "Phone is 030, Email is ada@example.com", "x=1", "x=1"},
		"broken JSON": {"application/json", `{"Phone":"030","Email":"ada@example.com"`, "x=1", "x=1"},
		"JSON text":   {"application/json", `"Phone is 030"`, "x=1", "x=1"},
		"JSON texts":  {"application/json", `["Phone: 030"]`, "x=1", "x=1"},
		"multipart":   {"multipart/form-data; boundary=b", "--b\r\nContent-Disposition: form-data; name=\"Phone\"\r\n\r\n030\r\n--b--", "x=1", "x=1"},
	} {
		query, err := url.ParseQuery(test.query)
		if err != nil {
			t.Fatal(err)
		}
		kept, err := mapping.Quarantine("id", ingest.Callback{
			Source: "acme-webhooks", Body: []byte(test.body), RawQuery: test.query, Query: query, Header: http.Header{"Content-Type": {test.contentType}},
		}, ingest.ErrMalformed)
		var was Quarantined
		if err := errors.Join(err, json.Unmarshal(kept, &was)); err != nil {
			t.Fatal(err)
		}
		all := was.Body + string(was.BodyBase64) + was.RawQuery + was.Query.Encode()
		if strings.Contains(all, "030") || strings.Contains(all, "ada") || !strings.Contains(all, test.want) {
			t.Errorf("%s: kept %s", name, kept)
		}
	}
	plain := &Mapping{Redact: NewRedactor(nil), Masks: masksOf(t, "zoho.Deals.Phone", "")}
	kept, err := plain.Quarantine("id", ingest.Callback{Source: "acme-webhooks", Body: []byte("Phone is 030")}, ingest.ErrMalformed)
	if err != nil || !strings.Contains(string(kept), "030") {
		t.Errorf("%v: masks of another CRM removed %s", err, kept)
	}
}
