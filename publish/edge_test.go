package publish_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/crm-bridge/crm-bridge/publish"
	"github.com/crm-bridge/crm-bridge/publish/disk"
	"github.com/crm-bridge/crm-bridge/publish/embedded"
	"github.com/crm-bridge/crm-bridge/test/ports"
	"github.com/crm-bridge/crm-bridge/test/publishtest"
)

// edge is a journal on a server of its own, with its publisher, forwarder and refused messages.
type edge struct {
	dir       string
	conn      *publish.Conn
	publisher *publish.Publisher
	forwarder *publish.Forwarder
	refused   *publish.Refused
}

// openEdge opens a journal of maxBytes for events to the server at url.
func openEdge(t *testing.T, url string, maxBytes int64) *edge {
	t.Helper()
	e := &edge{dir: t.TempDir()}
	_, e.conn = publishtest.Serve(t, func(c *embedded.Config) { c.Dir, c.Listen, c.MaxPayload = e.dir, "", 8<<20 })
	for _, config := range []publish.StreamConfig{
		{Name: "CRM_JOURNAL", Subjects: []string{"CRM_JOURNAL.>"}, MaxBytes: maxBytes, Replicas: 1, Duplicates: time.Minute, DiscardNew: true, WorkQueue: true},
		{Name: "CRM_REFUSED", Subjects: []string{"CRM_REFUSED.>"}, MaxBytes: 1 << 28, Replicas: 1, Duplicates: time.Minute, DiscardNew: true},
	} {
		if _, _, err := e.conn.EnsureStream(t.Context(), config); err != nil {
			t.Fatal(err)
		}
	}
	m := publishtest.Metrics()
	e.publisher = &publish.Publisher{Conn: e.conn, Stream: "CRM", Journal: "CRM_JOURNAL", Prefix: "crm", MaxBytes: maxBytes, Metrics: m}
	e.refused = &publish.Refused{Journal: &publish.Journal{
		Conn: e.conn, Stream: "CRM_JOURNAL", MaxSettled: maxBytes / 8,
		Blocks: func(upto uint64) ([]uint64, error) { return disk.FirstSequences(e.dir, "CRM_JOURNAL", upto) },
	}, Shelf: publish.Shelf{Stream: "CRM_REFUSED", Reach: func() (*publish.Conn, error) { return e.conn, nil }}, Conn: e.conn}
	e.forwarder = e.newForwarder(url, m)
	return e
}

func (e *edge) newForwarder(url string, m *publish.Metrics) *publish.Forwarder {
	return &publish.Forwarder{
		Journal: e.refused.Journal, Refused: e.refused, Remote: publish.Address{URL: url},
		Ensure: func(ctx context.Context, remote *publish.Conn) (map[string]publish.Stream, error) {
			stream, _, err := remote.EnsureStream(ctx, publishtest.Stream("CRM", "crm.>"))
			return map[string]publish.Stream{"CRM": stream}, err
		},
		Metrics: m, Log: publishtest.Log,
	}
}

// publish puts events with the ids from first to last into the journal.
func (e *edge) publish(t *testing.T, first, last int) {
	t.Helper()
	for i := first; i <= last; i++ {
		if _, err := e.publisher.Publish(t.Context(), publish.Event{Event: publishtest.Event(fmt.Sprint(i))}); err != nil {
			t.Fatal(err)
		}
	}
}

// run forwards until stop is called.
func run(t *testing.T, f *publish.Forwarder) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		f.Run(ctx)
	}()
	stop = func() {
		cancel()
		<-done
	}
	t.Cleanup(stop)
	return stop
}

// pending waits until so many messages are pending.
func pending(t *testing.T, f *publish.Forwarder, want uint64) {
	t.Helper()
	until(t, func() bool {
		n, _, err := f.Pending(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return n == want
	})
}

func until(t *testing.T, is func() bool) {
	t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !is(); {
		if time.Now().After(deadline) {
			t.Fatal("the condition is not met in time")
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// remoteServer is another NATS server.
type remoteServer struct {
	options server.Options
	server  *server.Server
}

func openRemote(t *testing.T) *remoteServer {
	t.Helper()
	port, err := ports.Free()
	if err != nil {
		t.Fatal(err)
	}
	r := &remoteServer{options: server.Options{Host: "127.0.0.1", Port: port, JetStream: true, StoreDir: t.TempDir(), NoSigs: true, NoLog: true}}
	r.start(t)
	return r
}

func (r *remoteServer) start(t *testing.T) {
	t.Helper()
	options := r.options
	s, err := server.NewServer(&options)
	if err != nil {
		t.Fatal(err)
	}
	go s.Start()
	if !s.ReadyForConnections(10 * time.Second) {
		t.Fatal("the remote does not start")
	}
	r.server = s
	t.Cleanup(r.stop)
}

func (r *remoteServer) stop() {
	r.server.Shutdown()
	r.server.WaitForShutdown()
}

func (r *remoteServer) js(t *testing.T) jetstream.JetStream {
	t.Helper()
	conn, err := nats.Connect(r.server.ClientURL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	return js
}

// holds returns the Nats-Msg-Ids of the remote's stream, in its order.
func (r *remoteServer) holds(t *testing.T) []string {
	t.Helper()
	stream, err := r.js(t).Stream(t.Context(), "CRM")
	if err != nil {
		t.Fatal(err)
	}
	consumer, err := stream.OrderedConsumer(t.Context(), jetstream.OrderedConsumerConfig{})
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for range stream.CachedInfo().State.Msgs {
		msg, err := consumer.Next(jetstream.FetchMaxWait(10 * time.Second))
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, msg.Headers().Get(nats.MsgIdHdr))
	}
	return ids
}

// holdsJust fails unless the remote holds the ids from 1 to last, each once and in order.
func (r *remoteServer) holdsJust(t *testing.T, last int) {
	t.Helper()
	got := r.holds(t)
	for i := range max(last, len(got)) {
		if i >= len(got) || i >= last || got[i] != fmt.Sprint(i+1) {
			t.Fatalf("the remote holds %d events, not 1 to %d in order; the first that differs is at %d", len(got), last, i+1)
		}
	}
}
