package publish_test

import (
	"context"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest/trace"
	"github.com/crm-bridge/crm-bridge/publish"
	"github.com/crm-bridge/crm-bridge/schemas/cloudevent"
	"github.com/crm-bridge/crm-bridge/test/publishtest"
	"github.com/crm-bridge/crm-bridge/test/tracetest"
)

const requested = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

// tracedEvent is an event whose callback had a traceparent.
func tracedEvent(id string) publish.Event {
	e := publishtest.Event(id)
	e.Extensions = append(e.Extensions, cloudevent.Extension{Name: "traceparent", Value: requested})
	return publish.Event{Event: e, Repeatable: true}
}

// The header of a message continues the trace from the span that published it; the event itself is that of a bridge without traces.
func TestMessagesContinueTheTrace(t *testing.T) {
	for _, mode := range []publish.Mode{publish.Structured, publish.Binary} {
		t.Run(string(mode), func(t *testing.T) {
			server, conn := publishtest.Open(t, nil)
			p := publishtest.Publisher(conn)
			p.Mode = mode
			r := &tracetest.Recorder{}
			if _, err := p.Publish(t.Context(), tracedEvent("plain")); err != nil {
				t.Fatal(err)
			}
			if _, err := p.Publish(trace.In(t.Context(), r), tracedEvent("other")); err != nil {
				t.Fatal(err)
			}
			_, js := publishtest.Connect(t, server)
			stream, err := js.Stream(t.Context(), "CRM")
			if err != nil {
				t.Fatal(err)
			}
			plain, err := stream.GetMsg(t.Context(), 1)
			if err != nil {
				t.Fatal(err)
			}
			other, err := stream.GetMsg(t.Context(), 2)
			if err != nil {
				t.Fatal(err)
			}
			span := r.Named("publish CRM")[0]
			if span.Parent != requested || plain.Header.Get("traceparent") != requested || other.Header.Get("traceparent") != span.TraceParent() {
				t.Errorf("the headers are %v and %v", plain.Header, other.Header)
			}
			plain.Header.Set("traceparent", span.TraceParent())
			for _, direct := range []string{"Nats-Sequence", "Nats-Time-Stamp"} { // of the answer, not of the message
				plain.Header.Del(direct)
				other.Header.Del(direct)
			}
			same := strings.NewReplacer("plain", "other").Replace
			if got, want := fmt.Sprint(other.Header, string(other.Data)), same(fmt.Sprint(plain.Header, string(plain.Data))); got != want {
				t.Errorf("traced it is\n%s\nand without traces\n%s", got, want)
			}
			// A repeat has another span, and stays a duplicate.
			acks, err := p.Publish(trace.In(t.Context(), r), tracedEvent("other"))
			if err != nil || !acks[0].Duplicate || r.Named("publish CRM")[1].Attributes["crm_bridge.duplicate"] != "true" {
				t.Errorf("%+v, %v", acks, err)
			}
			for key, want := range map[string]string{
				"messaging.system": "nats", "messaging.operation.type": "send", "messaging.destination.name": "crm.acme.Deals.edit", "messaging.message.id": "other",
				"cloudevents.event_id": "other", "cloudevents.event_type": "crm.acme.Deals.edit", "crm_bridge.stream": "CRM", "crm_bridge.sequence": "2",
			} {
				if got := span.Attributes[key]; got != want {
					t.Errorf("%s is %q, not %q", key, got, want)
				}
			}
		})
	}
}

// A commit is in the trace of each callback that it was for, with the same times.
func TestACommitIsInEachTrace(t *testing.T) {
	_, conn := publishtest.Open(t, nil)
	disk := commits{make(chan context.Context, 10), make(chan error)}
	p := publishtest.Publisher(conn)
	p.Commit = disk.commit
	r := &tracetest.Recorder{}
	var calls sync.WaitGroup
	publishOne := func(id string) {
		calls.Go(func() {
			if _, err := p.Publish(trace.In(t.Context(), r), tracedEvent(id)); err != nil {
				t.Error(err)
			}
		})
	}
	publishOne("1")
	<-disk.begun
	for _, id := range []string{"2", "3", "4"} { // they wait for the first, and share the next
		publishOne(id)
	}
	info := func() uint64 {
		held, err := conn.Streams(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return held["CRM"]
	}
	until(t, func() bool { return info() == 4 })
	time.Sleep(20 * time.Millisecond) // the acknowledgements follow
	disk.end <- nil
	go func() {
		for range disk.begun {
			disk.end <- nil
		}
	}()
	calls.Wait()
	close(disk.begun)
	commits, above := r.Named("commit"), map[string]bool{}
	for _, publish := range r.Named("publish CRM") {
		above[publish.TraceParent()] = true
	}
	if len(commits) != 4 || len(above) != 4 {
		t.Fatalf("%d commits, %d spans above", len(commits), len(above))
	}
	times := map[time.Time]int{}
	for _, one := range commits {
		if !above[one.Parent] {
			t.Errorf("a commit is below %q", one.Parent)
		}
		delete(above, one.Parent)
		times[one.Began]++
	}
	for _, one := range commits {
		if got, want := one.Attributes["crm_bridge.commit.callbacks"], fmt.Sprint(times[one.Began]); got != want {
			t.Errorf("a commit says that it was for %s callbacks, and is in %s traces", got, want)
		}
	}
	if len(times) >= 4 {
		t.Errorf("each commit has times of its own: %v", times)
	}
}

// What is forwarded continues from the span that published it, and its readers from the span that forwarded it. What has no traceparent is
// forwarded as it is.
func TestForwardingContinuesTheTrace(t *testing.T) {
	remote := openRemote(t)
	e := openEdge(t, remote.server.ClientURL(), 1<<26)
	r := &tracetest.Recorder{}
	ctx := trace.In(t.Context(), r)
	if _, err := e.publisher.Publish(ctx, tracedEvent("1")); err != nil {
		t.Fatal(err)
	}
	if _, err := e.publisher.Publish(t.Context(), publish.Event{Event: publishtest.Event("2")}); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(ctx)
	done := make(chan struct{})
	go func() {
		defer close(done)
		e.forwarder.Run(ctx)
	}()
	pending(t, e.forwarder, 0)
	cancel()
	<-done
	published, forwarded := r.Named("publish CRM"), r.Named("forward CRM")
	if len(published) != 1 || len(forwarded) != 1 || forwarded[0].Parent != published[0].TraceParent() || forwarded[0].Kind != trace.Producer {
		t.Fatalf("%+v, %+v", published, forwarded)
	}
	if of := forwarded[0].Attributes; of["messaging.message.id"] != "1" || of["messaging.destination.name"] != "crm.acme.Deals.edit" || of["failed"] != "" {
		t.Error(of)
	}
	stream, err := remote.js(t).Stream(t.Context(), "CRM")
	if err != nil {
		t.Fatal(err)
	}
	for sequence, want := range map[uint64]string{1: forwarded[0].TraceParent(), 2: ""} {
		msg, err := stream.GetMsg(t.Context(), sequence)
		if err != nil {
			t.Fatal(err)
		}
		if got := msg.Header.Get("traceparent"); got != want {
			t.Errorf("message %d has the traceparent %q, not %q", sequence, got, want)
		}
	}
}
