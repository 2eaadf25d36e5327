package cloudevent_test

import (
	"bytes"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/protocol/nats_jetstream/v2"
	"github.com/cloudevents/sdk-go/v2/binding"
	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/cloudevents/sdk-go/v2/types"
	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"

	"github.com/crm-bridge/crm-bridge/schemas/cloudevent"
)

// bySDK returns the event as the CloudEvents SDK holds it.
func bySDK(of cloudevent.Event) (event.Event, error) {
	source, err := url.Parse(of.Source)
	if err != nil {
		return event.Event{}, err
	}
	attributes := &event.EventContextV1{ID: of.ID, Source: types.URIRef{URL: *source}, Type: of.Type, DataContentType: event.StringOfApplicationJSON(), Extensions: map[string]any{}}
	if of.Subject != "" {
		attributes.Subject = &of.Subject
	}
	if of.DataSchema != "" {
		schema, err := url.Parse(of.DataSchema)
		if err != nil {
			return event.Event{}, err
		}
		attributes.DataSchema = &types.URI{URL: *schema}
	}
	if !of.Time.IsZero() {
		attributes.Time = &types.Timestamp{Time: of.Time}
	}
	for _, extension := range of.Extensions {
		attributes.Extensions[extension.Name] = extension.Value
	}
	e := event.Event{Context: attributes, DataEncoded: of.Data}
	return e, e.Validate()
}

// An event is valid where the SDK's is, and both its modes are what the SDK writes and reads: the structured one byte for byte, except for
// bytes that are not UTF-8, and every attribute of the binary one.
func FuzzEvent(f *testing.F) {
	f.Add("id-1", "https://www.acme.example/crm/v2/Deals", "5725767000003000010", "urn:a:b", "default", []byte(`{"big":12345678901234567890.10}`), int64(1718115953625))
	f.Add("a \"b\"\\\x01\x7f\n\r\t", "/a?b=%20ü&c", "ä\u2028\xff<&>", "", "\x00", []byte(`{"a":[]}`), int64(-1))
	f.Add("", "", " ", "/relative", "50% \"ü\"", []byte("{"), int64(0))
	f.Add("0", " ", "", "https://x:8080/y", "", []byte(nil), int64(1))
	f.Add("0", "https://user:pass@x/y", "", "urn:a:b", "", []byte(nil), int64(1))
	f.Add("0", "/a", "", "urna:   ", "", []byte(nil), int64(1))
	f.Fuzz(func(t *testing.T, id, source, subject, schema, text string, data []byte, milliseconds int64) {
		if reference, err := cloudevent.Reference(source); err == nil {
			source = reference
		}
		e := cloudevent.Event{
			ID: id, Source: source, Type: "crm.acme.Deals.edit", Subject: subject, DataSchema: schema, Time: time.UnixMilli(milliseconds % 1e14), Data: data,
			Extensions: []cloudevent.Extension{{Name: "crmaccount", Value: text}, {Name: "crmorigin", Value: "live"}},
		}
		sdk, err := bySDK(e)
		if (err == nil) != (e.Validate() == nil) {
			t.Fatalf("the SDK says %v, and we %v", err, e.Validate())
		}
		if err != nil {
			return // only valid events are written
		}
		e.DataSchema = sdk.DataSchema() // which the bridge itself makes, as a URI
		var want bytes.Buffer
		if err := event.WriteJson(&sdk, &want); err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]rune(want.String()), []rune(string(e.AppendJSON(nil)))); diff != "" {
			t.Fatal(diff)
		}
		checkHeaders(t, sdk, e.Headers())
	})
}

// checkHeaders checks that the SDK reads its event from headers, without the white space around values. It decodes no percent signs;
// url.PathUnescape does.
func checkHeaders(t *testing.T, want event.Event, headers map[string][]string) {
	t.Helper()
	decoded := nats.Header{}
	for name, values := range headers {
		value, err := url.PathUnescape(values[0])
		if err != nil || len(values) != 1 {
			t.Fatalf("%s: %q %v", name, values, err)
		}
		decoded[name] = []string{value}
	}
	got, err := binding.ToEvent(t.Context(), nats_jetstream.NewMessage(&nats.Msg{Header: decoded}))
	if err != nil {
		t.Fatal(err)
	}
	trim := cmp.Transformer("trim", strings.TrimSpace)
	urls := cmp.Comparer(func(a, b url.URL) bool { return strings.TrimSpace(a.String()) == strings.TrimSpace(b.String()) })
	if diff := cmp.Diff(want.Context.AsV1(), got.Context.AsV1(), trim, urls); diff != "" {
		t.Fatal(diff)
	}
}

// A reference is what package url makes of it.
func FuzzReference(f *testing.F) {
	for _, text := range []string{
		"https://www.zohoapis.com/crm/v2/Leads", "/zoho/webhooks/Deals", "urn:crm-bridge:schema:v1:x", "https://x:8080/y", "HTTPS://X/y", "https://", "https:///x", "//x/y", "///", "", "/", "a:b",
		"1:b", "https://x/ü b?c=\"%zz", "http://user:pass@x/", "urn:", "urn:a/b", "http://x/:y", "https:x", "\x7f",
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		got, err := cloudevent.Reference(text)
		parsed, parseErr := url.Parse(text)
		if (err == nil) != (parseErr == nil) || err == nil && got != parsed.String() {
			t.Errorf("%q becomes %q (%v), not %v (%v)", text, got, err, parsed, parseErr)
		}
	})
}

// What an event has of no value stands in neither mode.
func TestAbsentAttributes(t *testing.T) {
	e := cloudevent.Event{ID: "1", Source: "/x", Type: "t"}
	if got := string(e.AppendJSON(nil)); got != `{"specversion":"1.0","id":"1","source":"/x","type":"t","datacontenttype":"application/json"}` {
		t.Error(got)
	}
	want := map[string][]string{"content-type": {"application/json"}, "ce-specversion": {"1.0"}, "ce-id": {"1"}, "ce-source": {"/x"}, "ce-type": {"t"}}
	if diff := cmp.Diff(want, e.Headers()); diff != "" || e.Extension("crmaccount") != "" {
		t.Error(diff)
	}
}
