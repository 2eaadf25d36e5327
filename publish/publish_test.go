package publish_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/protocol/nats_jetstream/v2"
	"github.com/cloudevents/sdk-go/v2/binding"
	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"

	"github.com/crm-bridge/crm-bridge/publish"
	"github.com/crm-bridge/crm-bridge/publish/embedded"
	"github.com/crm-bridge/crm-bridge/test/publishtest"
)

func count(t *testing.T, server *embedded.Server, stream string) uint64 {
	t.Helper()
	_, js := publishtest.Connect(t, server)
	s, err := js.Stream(t.Context(), stream)
	if err != nil {
		t.Fatal(err)
	}
	return s.CachedInfo().State.Msgs
}

// In both content modes the CloudEvents SDK's NATS reader and ours read back the event that was written.
func TestModesAreReadBack(t *testing.T) {
	for _, mode := range []publish.Mode{publish.Structured, publish.Binary} {
		t.Run(string(mode), func(t *testing.T) {
			server, conn := publishtest.Open(t, nil)
			publisher := &publish.Publisher{Conn: conn, Stream: "CRM", Prefix: "crm", Mode: mode, Metrics: publishtest.Metrics()}
			want := publishtest.Event("id-1")
			acks, err := publisher.Publish(t.Context(), publish.Event{Event: want, Repeatable: true})
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff([]publish.Ack{{Subject: "crm.acme.Deals.edit", Stream: "CRM", Sequence: 1}}, acks); diff != "" {
				t.Error(diff)
			}
			msg := stored(t, server, 1)
			if got := msg.Header.Get(nats.MsgIdHdr); got != "id-1" {
				t.Errorf("Nats-Msg-Id %q", got)
			}
			theirs, err := binding.ToEvent(t.Context(), nats_jetstream.NewMessage(msg))
			if err != nil {
				t.Fatalf("the SDK cannot read it: %v", err)
			}
			mine, err := publish.ParseEvent(msg.Header, msg.Data)
			if err != nil {
				t.Fatal(err)
			}
			for name, got := range map[string]event.Event{"SDK": *theirs, "own": mine} {
				if diff := cmp.Diff(want, publishtest.Read(t, got)); diff != "" {
					t.Errorf("%s: %s", name, diff)
				}
			}
		})
	}
}

// Header names and values are those of the NATS binding: lower case, percent-encoded.
func TestBinaryHeaders(t *testing.T) {
	e := publishtest.Event("50% \"ü\"")
	msg := publish.Message("crm.acme.Deals.edit", &e, publish.Binary)
	want := map[string]string{
		"content-type": "application/json", "ce-specversion": "1.0", "ce-type": "crm.acme.Deals.edit", "ce-id": "50%25%20%22%C3%BC%22",
		"ce-crmaccount": "default", "ce-time": "2024-06-11T14:25:53.625Z",
	}
	for name, value := range want {
		if got := msg.Header[name]; len(got) != 1 || got[0] != value {
			t.Errorf("%s is %q, not %q", name, got, value)
		}
	}
	if back, err := publish.ParseEvent(msg.Header, msg.Data); err != nil || back.ID() != e.ID {
		t.Errorf("read back as %q: %v", back.ID(), err)
	}
	structured := publish.Message("crm.acme.Deals.edit", &e, publish.Structured)
	if structured.Header["content-type"][0] != "application/cloudevents+json" {
		t.Errorf("%v", structured.Header)
	}
	var object struct{ Data json.RawMessage }
	if err := json.Unmarshal(structured.Data, &object); err != nil || string(object.Data) != string(e.Data) {
		t.Errorf("structured data %s, %v", object.Data, err)
	}
}

// A repeat is acknowledged with the first one's sequence; an id that cannot repeat costs the stream no memory.
func TestRepeats(t *testing.T) {
	server, conn := publishtest.Open(t, nil)
	publisher := publishtest.Publisher(conn)
	var acks []publish.Ack
	for range 2 {
		more, err := publisher.Publish(t.Context(), publish.Event{Event: publishtest.Event("same"), Repeatable: true})
		if err != nil {
			t.Fatal(err)
		}
		acks = append(acks, more...)
	}
	if acks[0].Sequence != 1 || acks[1].Sequence != 1 || acks[0].Duplicate || !acks[1].Duplicate {
		t.Errorf("acknowledged as %+v", acks)
	}
	if _, err := publisher.Publish(t.Context(), publish.Event{Event: publishtest.Event("fresh")}); err != nil {
		t.Fatal(err)
	}
	if msg := stored(t, server, 2); msg.Header.Get(nats.MsgIdHdr) != "" {
		t.Error("a fresh id was sent as Nats-Msg-Id")
	}
	publisher.AllIDs = true
	if _, err := publisher.Publish(t.Context(), publish.Event{Event: publishtest.Event("fresh-2")}); err != nil {
		t.Fatal(err)
	}
	if msg := stored(t, server, 3); msg.Header.Get(nats.MsgIdHdr) != "fresh-2" {
		t.Error("beside a remote every id is sent")
	}
}

// A permanent rejection is distinguished from a temporary one; nothing is sent after the call has failed.
func TestPublishFails(t *testing.T) {
	server, conn := publishtest.Open(t, func(c *embedded.Config) { c.MaxPayload = 4096 })
	publisher := publishtest.Publisher(conn)
	large := publishtest.Event("large")
	large.Data = []byte(`"` + strings.Repeat("x", 5000) + `"`)
	if _, err := publisher.Publish(t.Context(), publish.Event{Event: large}); !errors.Is(err, publish.ErrTooLarge) {
		t.Errorf("too large: %v", err)
	}
	if err := publisher.Ready(t.Context()); err != nil {
		t.Errorf("not ready: %v", err)
	}
	small := publish.Event{Event: publishtest.Event("small"), Repeatable: true}
	if _, err := publisher.Publish(t.Context(), small, publish.Event{Event: large}); !errors.Is(err, publish.ErrTooLarge) || errors.Is(err, publish.ErrPartly) {
		t.Errorf("one of two too large: %v", err)
	}
	if n := count(t, server, "CRM"); n != 0 {
		t.Errorf("%d events are stored of a call that was refused before it sent any", n)
	}
	server.Close()
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	if _, err := publisher.Publish(ctx, publish.Event{Event: publishtest.Event("late")}); err == nil || errors.Is(err, publish.ErrTooLarge) {
		t.Errorf("with the server gone: %v", err)
	}
	if err := publisher.Ready(ctx); err == nil {
		t.Error("ready though the server is gone")
	}
}

// A follower gives the events since a moment, or from a sequence on, in order, and goes on with those that come.
func TestFollowSince(t *testing.T) {
	server, conn := publishtest.Open(t, nil)
	publisher := publishtest.Publisher(conn)
	send := func(id string) {
		if _, err := publisher.Publish(t.Context(), publish.Event{Event: publishtest.Event(id)}); err != nil {
			t.Error(err)
		}
	}
	send("a")
	send("b")
	follower := publish.Follower{
		Reach:  func(context.Context) (*publish.Conn, error) { return server.Connect() },
		Stream: "CRM", Subjects: []string{"crm.acme.Deals.*"}, Since: time.Now().Add(-time.Hour),
	}
	var got []string
	enough := errors.New("enough")
	err := follower.Follow(t.Context(), func(e publish.Stored) error {
		event, err := e.Event()
		if err != nil {
			return err
		}
		if got = append(got, event.ID()); len(got) == 2 {
			send("c")
		}
		if len(got) == 3 {
			return enough
		}
		return nil
	})
	if diff := cmp.Diff([]string{"a", "b", "c"}, got); diff != "" || !errors.Is(err, enough) {
		t.Errorf("%v %s", err, diff)
	}
	follower.From = 2
	err = follower.Follow(t.Context(), func(e publish.Stored) error {
		if e.Sequence != 2 {
			t.Errorf("begins at %d", e.Sequence)
		}
		return enough
	})
	if !errors.Is(err, enough) {
		t.Error(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := follower.Follow(ctx, func(publish.Stored) error { return nil }); err != nil && !errors.Is(err, context.Canceled) {
		t.Errorf("ended with %v", err)
	}
}

func stored(t *testing.T, server *embedded.Server, sequence uint64) *nats.Msg {
	t.Helper()
	_, js := publishtest.Connect(t, server)
	stream, err := js.Stream(t.Context(), "CRM")
	if err != nil {
		t.Fatal(err)
	}
	raw, err := stream.GetMsg(t.Context(), sequence)
	if err != nil {
		t.Fatal(err)
	}
	return &nats.Msg{Subject: raw.Subject, Header: raw.Header, Data: raw.Data}
}
