package publish_test

import (
	"bytes"
	"slices"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/binding/format"
	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/google/go-cmp/cmp"

	"github.com/crm-bridge/crm-bridge/publish"
	"github.com/crm-bridge/crm-bridge/test/publishtest"
)

// A structured message is, byte for byte, what the CloudEvents SDK writes, except for bytes that are not UTF-8, and the SDK reads back
// the event.
func FuzzStructured(f *testing.F) {
	f.Add("id-1", "https://www.acme.example/crm/v2/Deals", "5725767000003000010", "urn:a:b", "default", "application/json", []byte(`{"big":12345678901234567890.10}`), int64(1718115953625), uint8(0))
	f.Add("0", "0", "0", "", "0", "application/json", []byte("{"), int64(1), uint8(0))
	for kind := range uint8(6) {
		f.Add("a \"b\"\\\x01\x7f\n\r\t", "/a?b=%20ü&c", "ä\u2028\xff<&>", "", "\x00", "text/plain", []byte(`{"a":[]}`), int64(-1), kind)
	}
	f.Fuzz(func(t *testing.T, id, source, subject, schema, text, contentType string, data []byte, milliseconds int64, kind uint8) {
		e := event.New()
		e.SetID(id)
		e.SetType("crm.acme.Deals.edit")
		e.SetSource(source)
		e.SetSubject(subject)
		e.SetDataSchema(schema)
		e.SetTime(time.UnixMilli(milliseconds % 1e14))
		e.SetExtension("crmaccount", text)
		e.SetExtension("crmorigin", "live")
		switch kind {
		case 1:
			e.SetExtension("crmnumber", 7)
		case 2:
			e.SetExtension("crmbool", true)
		case 4:
			e = event.New(event.CloudEventsVersionV03)
			e.SetID(id)
		}
		if err := e.SetData(contentType, data); err != nil {
			return
		}
		e.DataBase64 = kind == 5
		if kind == 3 {
			e.DataEncoded = nil
		}
		if e.Validate() != nil {
			return // only valid events are published
		}
		var want bytes.Buffer
		if err := event.WriteJson(&e, &want); err != nil {
			return
		}
		msg, err := publish.Message("crm.acme.Deals.edit", e, publish.Structured)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]rune(want.String()), []rune(string(msg.Data))); diff != "" {
			t.Fatal(diff)
		}
	})
}

// The SDK's own reader reads every value of an event back unchanged, whatever needs escapes.
func TestStructuredIsReadBack(t *testing.T) {
	want := publishtest.Event(t, "a \"b\"\\\x01\x7f\n\r\t ü\u2028 <&>")
	want.SetSubject("\"1\"")
	want.SetExtension("crmorigin", "repair\\")
	msg, err := publish.Message("crm.acme.Deals.edit", want, publish.Structured)
	if err != nil {
		t.Fatal(err)
	}
	var got event.Event
	if err := format.JSON.Unmarshal(msg.Data, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want.Context.AsV1(), got.Context.AsV1()); diff != "" {
		t.Error(diff)
	}
	if string(got.Data()) != string(want.Data()) {
		t.Errorf("data %s", got.Data())
	}
}

// The trace context of an event is a header of its message too, in both modes, and of what is replayed from it.
func TestTraceParentIsAHeader(t *testing.T) {
	const trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	for _, mode := range []publish.Mode{publish.Structured, publish.Binary} {
		e := publishtest.Event(t, "id")
		msg, err := publish.Message("crm.acme.Deals.edit", e, mode)
		if err != nil || msg.Header["traceparent"] != nil {
			t.Errorf("%s without a trace: %v %v", mode, msg.Header, err)
		}
		e.SetExtension("traceparent", trace)
		if msg, err = publish.Message("crm.acme.Deals.edit", e, mode); err != nil || !slices.Equal(msg.Header["traceparent"], []string{trace}) {
			t.Errorf("%s: %v %v", mode, msg.Header, err)
		}
		stored := publish.Stored{Header: msg.Header, Data: msg.Data}
		for _, again := range []publish.Mode{publish.Structured, publish.Binary} {
			header, _, err := stored.In(again)
			if err != nil || !slices.Equal(header["traceparent"], []string{trace}) {
				t.Errorf("%s as %s: %v %v", mode, again, header, err)
			}
		}
		if back, err := stored.Event(); err != nil || back.Extensions()["traceparent"] != trace {
			t.Errorf("%s: read back with %v: %v", mode, back.Extensions(), err)
		}
	}
}
