package publish_test

import (
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/cloudevents/sdk-go/v2/binding/format"
	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"

	"github.com/crm-bridge/crm-bridge/publish"
	"github.com/crm-bridge/crm-bridge/schemas/cloudevent"
	"github.com/crm-bridge/crm-bridge/test/publishtest"
)

// The SDK's own reader reads every value of an event back unchanged, whatever needs escapes.
func TestStructuredIsReadBack(t *testing.T) {
	want := publishtest.Event("a \"b\"\\\x01\x7f\n\r\t ü\u2028 <&>")
	want.Subject = "\"1\""
	want.Extensions = append(want.Extensions, cloudevent.Extension{Name: "crmorigin", Value: "repair\\"})
	msg := publish.Message("crm.acme.Deals.edit", &want, publish.Structured)
	var got event.Event
	if err := format.JSON.Unmarshal(msg.Data, &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, publishtest.Read(t, got)); diff != "" {
		t.Error(diff)
	}
}

// The trace context of an event is a header of its message too, in both modes, and of what is replayed from it.
func TestTraceParentIsAHeader(t *testing.T) {
	const trace = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
	for _, mode := range []publish.Mode{publish.Structured, publish.Binary} {
		e := publishtest.Event("id")
		msg := publish.Message("crm.acme.Deals.edit", &e, mode)
		if msg.Header["traceparent"] != nil {
			t.Errorf("%s without a trace: %v", mode, msg.Header)
		}
		e.Extensions = append(e.Extensions, cloudevent.Extension{Name: "traceparent", Value: trace})
		if msg = publish.Message("crm.acme.Deals.edit", &e, mode); !slices.Equal(msg.Header["traceparent"], []string{trace}) {
			t.Errorf("%s: %v", mode, msg.Header)
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

// Calls one after the other and at once, whose messages use the same memory again, each store their own event, and no header of another.
func TestMessagesAreTheirOwn(t *testing.T) {
	for _, mode := range []publish.Mode{publish.Structured, publish.Binary} {
		server, conn := publishtest.Open(t, nil)
		publisher := publishtest.Publisher(conn)
		publisher.Mode = mode
		const callers, calls = 8, 20
		var sent [callers * calls]publish.Event
		var acks [callers * calls]publish.Ack
		var all sync.WaitGroup
		for caller := range callers {
			all.Go(func() {
				for i := caller * calls; i < (caller+1)*calls; i++ {
					e := publish.Event{Event: publishtest.Event(fmt.Sprint("id-", i)), Repeatable: i%3 == 0}
					e.Data = []byte(`"` + strings.Repeat(fmt.Sprint(i), (i*7)%50) + `"`)
					if i%2 == 0 {
						e.Extensions = append(e.Extensions, cloudevent.Extension{Name: "traceparent", Value: fmt.Sprint("trace-", i)})
					}
					got, err := publisher.Publish(t.Context(), e)
					if err != nil {
						t.Error(err)
						return
					}
					sent[i], acks[i] = e, got[0]
				}
			})
		}
		all.Wait()
		if t.Failed() {
			return
		}
		for i, e := range sent {
			want, got := publish.Message(acks[i].Subject, &e.Event, mode), stored(t, server, acks[i].Sequence)
			want.Header[nats.ExpectedStreamHdr] = []string{"CRM"}
			if e.Repeatable {
				want.Header[nats.MsgIdHdr] = []string{e.ID}
			}
			for _, added := range []string{nats.JSStream, nats.JSSubject, nats.JSSequence, nats.JSTimeStamp} {
				delete(got.Header, added)
			}
			if diff := cmp.Diff(want.Header, got.Header) + cmp.Diff(string(want.Data), string(got.Data)); diff != "" {
				t.Fatalf("%s: event %d: %s", mode, i, diff)
			}
		}
	}
}
