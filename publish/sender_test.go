package publish_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/crm-bridge/crm-bridge/publish"
	"github.com/crm-bridge/crm-bridge/test/publishtest"
)

// answerer stands in for a stream: it receives what a publisher sends, and the test answers it.
type answerer struct {
	*publish.Publisher
	remote   *remoteServer
	received chan *nats.Msg
}

func openAnswerer(t *testing.T) *answerer {
	t.Helper()
	a := &answerer{remote: openRemote(t), received: make(chan *nats.Msg, 1<<15)}
	conn, err := publish.Address{URL: a.remote.server.ClientURL()}.Await(publishtest.Log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	a.Publisher = publishtest.Publisher(conn)
	nc := a.remote.js(t).Conn()
	if _, err := nc.ChanSubscribe("crm.>", a.received); err != nil {
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	return a
}

// start publishes events with the given ids, and returns what yields the result.
func (a *answerer) start(t *testing.T, within time.Duration, ids ...string) <-chan result {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	return a.startUntil(ctx, cancel, ids...)
}

// startUntil is start that ends with ctx; cancel is called when it has ended.
func (a *answerer) startUntil(ctx context.Context, cancel context.CancelFunc, ids ...string) <-chan result {
	events := make([]publish.Event, len(ids))
	for i, id := range ids {
		events[i] = publish.Event{Event: publishtest.Event(id)}
	}
	done := make(chan result, 1)
	go func() {
		defer cancel()
		acks, err := a.Publish(ctx, events...)
		done <- result{acks, err}
	}()
	return done
}

type result struct {
	acks []publish.Ack
	err  error
}

// next returns the next n messages.
func (a *answerer) next(t *testing.T, n int) []*nats.Msg {
	t.Helper()
	messages := make([]*nats.Msg, n)
	for i := range messages {
		select {
		case messages[i] = <-a.received:
		case <-time.After(10 * time.Second):
			t.Fatalf("%d of %d messages arrived", i, n)
		}
	}
	return messages
}

func respond(t *testing.T, msg *nats.Msg, format string, args ...any) {
	t.Helper()
	if err := msg.Respond(fmt.Appendf(nil, format, args...)); err != nil {
		t.Fatal(err)
	}
}

// Each event has the sequence of its own acknowledgement, in whatever order and form these arrive.
func TestAcksOutOfOrder(t *testing.T) {
	a := openAnswerer(t)
	first := a.start(t, 10*time.Second, "1", "2", "3")
	messages := a.next(t, 3)
	second := a.start(t, 10*time.Second, "4")
	respond(t, a.next(t, 1)[0], `{"stream":"CRM","seq":14,"duplicate": true}`)
	if got := <-second; got.err != nil || got.acks[0].Sequence != 14 || !got.acks[0].Duplicate {
		t.Errorf("%+v", got)
	}
	respond(t, messages[2], `{"stream":"CRM","domain":"hub","seq":13}`)
	respond(t, messages[0], `{ "seq": 11, "stream": "CRM" }`)
	respond(t, messages[0], `{"stream":"CRM","seq":99}`) // one answer counts
	respond(t, messages[1], `{"stream":"CRM","seq":12}`)
	got := <-first
	if got.err != nil || got.acks[0].Sequence != 11 || got.acks[1].Sequence != 12 || got.acks[2].Sequence != 13 {
		t.Errorf("%+v", got)
	}
}

// An answer that is not an acknowledgement of the stream fails its call alone, at once, and says what was wrong.
func TestErrorReplies(t *testing.T) {
	a := openAnswerer(t)
	for reply, want := range map[string]string{
		`{"error":{"code":503,"err_code":10077,"description":"maximum bytes exceeded"}}`: "maximum bytes exceeded",
		`{"error":{"code":400,"err_code":10054,"description":"message size exceeds"}}`:   publish.ErrPartly.Error(),
		`{"stream":"OTHER","seq":1}`:               `acknowledged by stream "OTHER"`,
		`{"stream":"CRM","seq":18446744073709551}`: "",
		`{}`:  "invalid jetstream publish response",
		`+OK`: "invalid jetstream publish response",
	} {
		failing, other := a.start(t, 10*time.Second, "1", "2"), a.start(t, 10*time.Second, "3")
		for _, msg := range a.next(t, 3) {
			switch {
			case strings.Contains(string(msg.Data), `"id":"2"`):
				respond(t, msg, "%s", reply)
			case want == "" || strings.Contains(string(msg.Data), `"id":"3"`):
				respond(t, msg, `{"stream":"CRM","seq":7}`)
			}
		}
		if got := <-other; got.err != nil || got.acks[0].Sequence != 7 {
			t.Errorf("%s fails another call: %+v", reply, got)
		}
		got := <-failing
		if want == "" {
			if got.err != nil || got.acks[1].Sequence != 18446744073709551 {
				t.Errorf("%s: %+v", reply, got)
			}
		} else if got.err == nil || !strings.Contains(got.err.Error(), want) || !errors.Is(got.err, publish.ErrUnanswered) && !errors.Is(got.err, publish.ErrPartly) {
			t.Errorf("%s: %v", reply, got.err)
		}
	}
}

// An acknowledgement that arrives after its call has ended is ignored; later calls have their own.
func TestLateAck(t *testing.T) {
	a := openAnswerer(t)
	late := a.start(t, 50*time.Millisecond, "late")
	missed := a.next(t, 1)[0]
	if got := <-late; !errors.Is(got.err, context.DeadlineExceeded) || !errors.Is(got.err, publish.ErrUnanswered) {
		t.Fatalf("without an answer: %+v", got)
	}
	next := a.start(t, 10*time.Second, "next")
	own := a.next(t, 1)[0]
	respond(t, missed, `{"stream":"CRM","seq":1}`)
	respond(t, own, `{"stream":"CRM","seq":2}`)
	if got := <-next; got.err != nil || got.acks[0].Sequence != 2 {
		t.Errorf("%+v", got)
	}
}

// When the connection is lost, every call that waits for an answer over it ends with an error at once, and later ones work.
func TestConnectionIsLostWhileCallsWait(t *testing.T) {
	a := openAnswerer(t)
	var waiting []<-chan result
	for i := range 100 {
		waiting = append(waiting, a.start(t, time.Minute, fmt.Sprint(i)))
	}
	a.next(t, len(waiting))
	a.remote.stop()
	for _, call := range waiting {
		select {
		case got := <-call:
			if !publish.Temporary(got.err) || errors.Is(got.err, publish.ErrUnanswered) {
				t.Errorf("%+v", got)
			}
		case <-time.After(20 * time.Second):
			t.Fatal("a call hangs")
		}
	}
	a.remote.start(t)
	until(t, func() bool { return a.Conn.Up() == nil })
	publishtest.EnsureStream(t, a.Conn, "CRM", "crm.>")
	if got := <-a.start(t, 10*time.Second, "after"); got.err != nil || got.acks[0].Sequence == 0 {
		t.Errorf("%+v", got)
	}
}

// With as many unanswered events as are allowed one more is rejected after a moment, and accepted when the others have ended.
func TestTooManyUnansweredEvents(t *testing.T) {
	a := openAnswerer(t)
	const most = 16384
	many := make([]string, most)
	for i := range many {
		many[i] = fmt.Sprint(i)
	}
	ctx, leave := context.WithCancel(t.Context())
	full := a.startUntil(ctx, leave, many...)
	a.next(t, most)
	if got := <-a.start(t, 30*time.Second, "more"); got.err == nil || errors.Is(got.err, context.DeadlineExceeded) || errors.Is(got.err, publish.ErrUnanswered) {
		t.Errorf("one more: %+v", got)
	}
	if len(a.received) > 0 {
		t.Error("it was sent")
	}
	leave()
	if got := <-full; !errors.Is(got.err, context.Canceled) {
		t.Errorf("unanswered: %v", got.err)
	}
	next := a.start(t, 10*time.Second, "next")
	respond(t, a.next(t, 1)[0], `{"stream":"CRM","seq":1}`)
	if got := <-next; got.err != nil {
		t.Error(got.err)
	}
}

// Of many concurrent callers each has the sequence at which its own event is stored.
func TestEachCallerHasItsOwnSequence(t *testing.T) {
	server, conn := publishtest.Open(t, nil)
	p := publishtest.Publisher(conn)
	p.Commit = func(context.Context) error { return nil }
	const callers = 1000
	sequences := make([]uint64, callers)
	var all sync.WaitGroup
	for i := range callers {
		all.Go(func() {
			acks, err := p.Publish(t.Context(), publish.Event{Event: publishtest.Event(fmt.Sprint("event-", i))})
			if err != nil {
				t.Error(err)
				return
			}
			sequences[i] = acks[0].Sequence
		})
	}
	all.Wait()
	_, js := publishtest.Connect(t, server)
	stream, err := js.Stream(t.Context(), "CRM")
	if err != nil {
		t.Fatal(err)
	}
	for i, sequence := range sequences {
		msg, err := stream.GetMsg(t.Context(), sequence)
		if err != nil || !strings.Contains(string(msg.Data), fmt.Sprintf(`"id":"event-%d"`, i)) {
			t.Fatalf("event %d has sequence %d, at which there is %s: %v", i, sequence, msg.Data, err)
		}
	}
}
