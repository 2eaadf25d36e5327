package publish_test

import (
	"context"
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/crm-bridge/crm-bridge/publish"
)

// edge is a journal on a server of its own, with all that stands around it.
type edge struct {
	dir       string
	conn      *publish.Conn
	publisher *publish.Publisher
	forwarder *publish.Forwarder
	refused   *publish.Refused
}

// openEdge opens a journal of maxBytes whose events are for the server at url.
func openEdge(t *testing.T, url string, maxBytes int64) *edge {
	t.Helper()
	e := &edge{dir: t.TempDir()}
	_, e.conn = bare(t, func(c *publish.ServerConfig) { c.Dir, c.Listen, c.MaxPayload = e.dir, "", 8<<20 })
	for _, config := range []publish.StreamConfig{
		{Name: "CRM_JOURNAL", Subjects: []string{"CRM_JOURNAL.>"}, MaxBytes: maxBytes, Replicas: 1, Duplicates: time.Minute, DiscardNew: true, WorkQueue: true},
		{Name: "CRM_REFUSED", Subjects: []string{"CRM_REFUSED.>"}, MaxBytes: 1 << 28, Replicas: 1, Duplicates: time.Minute, DiscardNew: true},
	} {
		if _, _, err := e.conn.EnsureStream(t.Context(), config); err != nil {
			t.Fatal(err)
		}
	}
	m := metrics()
	e.publisher = &publish.Publisher{Conn: e.conn, Stream: "CRM", Journal: "CRM_JOURNAL", Prefix: "crm", MaxBytes: maxBytes, Metrics: m}
	e.refused = &publish.Refused{Shelf: publish.Shelf{Stream: "CRM_REFUSED", Reach: func() (*publish.Conn, error) { return e.conn, nil }}, Conn: e.conn}
	e.forwarder = e.newForwarder(url, m)
	return e
}

func (e *edge) newForwarder(url string, m *publish.Metrics) *publish.Forwarder {
	return &publish.Forwarder{
		Journal: &publish.Journal{Conn: e.conn, Stream: "CRM_JOURNAL"}, Refused: e.refused, Remote: publish.Address{URL: url},
		Ensure: func(ctx context.Context, remote *publish.Conn) (map[string]publish.Stream, error) {
			stream, _, err := remote.EnsureStream(ctx, streamConfig("CRM", "crm.>"))
			return map[string]publish.Stream{"CRM": stream}, err
		},
		Metrics: m, Log: discard,
	}
}

// publish puts events with the ids from first to last into the journal.
func (e *edge) publish(t *testing.T, first, last int) {
	t.Helper()
	for i := first; i <= last; i++ {
		if _, err := e.publisher.Publish(t.Context(), publish.Event{Event: newEvent(t, fmt.Sprint(i))}); err != nil {
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
			t.Fatal("it does not happen")
		}
		time.Sleep(5 * time.Millisecond)
	}
}

// remoteServer is another NATS, of which a test can do what it likes.
type remoteServer struct {
	options server.Options
	server  *server.Server
}

func openRemote(t *testing.T) *remoteServer {
	t.Helper()
	r := &remoteServer{options: server.Options{Host: "127.0.0.1", Port: -1, JetStream: true, StoreDir: t.TempDir(), NoSigs: true, NoLog: true}}
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
	r.server, r.options.Port = s, options.Port
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

// An event goes through the journal to the remote as it was published, with its id, on its own subject, and leaves the journal.
func TestForward(t *testing.T) {
	remote := openRemote(t)
	e := openEdge(t, remote.server.ClientURL(), 1<<26)
	acks, err := e.publisher.Publish(t.Context(), publish.Event{Event: newEvent(t, "1")})
	if err != nil {
		t.Fatal(err)
	}
	if got := acks[0]; got.Stream != "CRM_JOURNAL" || got.Subject != "crm.zoho.Deals.edit" || got.Sequence != 1 {
		t.Errorf("acknowledged as %+v", got)
	}
	pending(t, e.forwarder, 1)
	stop := run(t, e.forwarder)
	pending(t, e.forwarder, 0)
	msg, err := remote.js(t).Stream(t.Context(), "CRM")
	if err != nil {
		t.Fatal(err)
	}
	raw, err := msg.GetMsg(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	if raw.Subject != "crm.zoho.Deals.edit" || raw.Header.Get(nats.MsgIdHdr) != "1" {
		t.Errorf("the remote has it on %s with %v", raw.Subject, raw.Header)
	}
	for name := range raw.Header {
		if strings.HasPrefix(name, "crm-bridge") {
			t.Errorf("a header of the journal went along: %s", name)
		}
	}
	got, err := publish.ParseEvent(raw.Header, raw.Data)
	if err != nil || got.String() != newEvent(t, "1").String() {
		t.Errorf("%v: the remote has %s", err, got)
	}
	stop()
	if held, err := e.conn.Streams(t.Context()); held["CRM_JOURNAL"] != 0 || err != nil {
		t.Errorf("after the end the journal holds %d: %v", held["CRM_JOURNAL"], err)
	}
}

// The remote goes away under load and comes back, twice; then the forwarder itself is replaced in the middle. Everything
// arrives, once, in order.
func TestForwardSurvives(t *testing.T) {
	remote := openRemote(t)
	e := openEdge(t, remote.server.ClientURL(), 1<<28)
	stop := run(t, e.forwarder)
	const each = 600
	last := 0
	for range 2 {
		half := make(chan struct{})
		published := make(chan struct{})
		go func() {
			defer close(published)
			e.publish(t, last+1, last+each/2)
			close(half)
			e.publish(t, last+each/2+1, last+each)
		}()
		<-half
		remote.stop()
		<-published
		last += each
		remote.start(t)
	}
	pending(t, e.forwarder, 0)
	remote.holdsJust(t, last)

	e.publish(t, last+1, last+each)
	stop()
	e.forwarder = e.newForwarder(remote.server.ClientURL(), metrics())
	run(t, e.forwarder)
	pending(t, e.forwarder, 0)
	remote.holdsJust(t, last+each)
}

// A backlog of many requests' worth is forwarded in one go: nothing is lost on the way out of the journal, so that nothing
// has to be begun again.
func TestForwardBacklog(t *testing.T) {
	remote := openRemote(t)
	e := openEdge(t, remote.server.ClientURL(), 1<<28)
	var log strings.Builder
	e.forwarder.Log = slog.New(slog.NewTextHandler(&log, nil))
	const all = 6000
	for first := 1; first <= all; first += 500 {
		var events []publish.Event
		for i := first; i < first+500; i++ {
			events = append(events, publish.Event{Event: newEvent(t, fmt.Sprint(i))})
		}
		if _, err := e.publisher.Publish(t.Context(), events...); err != nil {
			t.Fatal(err)
		}
	}
	stop := run(t, e.forwarder)
	pending(t, e.forwarder, 0)
	remote.holdsJust(t, all)
	if stop(); log.Len() > 0 {
		t.Errorf("it was not done in one go: %s", log.String())
	}
}

// A stream that somebody removes from the remote is made again, and what waits goes there.
func TestForwardToARemadeStream(t *testing.T) {
	remote := openRemote(t)
	e := openEdge(t, remote.server.ClientURL(), 1<<26)
	run(t, e.forwarder)
	e.publish(t, 1, 3)
	pending(t, e.forwarder, 0)
	if err := remote.js(t).DeleteStream(t.Context(), "CRM"); err != nil {
		t.Fatal(err)
	}
	e.publish(t, 4, 6)
	pending(t, e.forwarder, 0)
	if got := fmt.Sprint(remote.holds(t)); got != "[4 5 6]" {
		t.Errorf("the new stream holds %s", got)
	}
}

// What the remote will never take is set aside with its reason, and the rest flows on. When the remote takes it, it can be
// sent again, even at once.
func TestRefused(t *testing.T) {
	remote := openRemote(t)
	js := remote.js(t)
	config := jetstream.StreamConfig{Name: "CRM", Subjects: []string{"crm.>"}, MaxMsgSize: 4096, Duplicates: time.Minute}
	if _, err := js.CreateStream(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	e := openEdge(t, remote.server.ClientURL(), 1<<26)
	registry := prometheus.NewRegistry()
	e.forwarder.Metrics = publish.NewMetrics(registry)
	large := newEvent(t, "2")
	large.SetExtension("large", strings.Repeat("x", 5000))
	huge := newEvent(t, "3") // beyond max_payload of the whole server
	huge.SetExtension("large", strings.Repeat("x", 2<<20))
	if _, err := e.publisher.Publish(t.Context(), publish.Event{Event: newEvent(t, "1")}, publish.Event{Event: large, Repeatable: true}, publish.Event{Event: huge}, publish.Event{Event: newEvent(t, "4")}); err != nil {
		t.Fatal(err)
	}
	run(t, e.forwarder)
	pending(t, e.forwarder, 0)
	if got := fmt.Sprint(remote.holds(t)); got != "[1 4]" {
		t.Errorf("the remote holds %s", got)
	}
	again := func() (ids []string) {
		err := e.refused.Each(t.Context(), func(kept publish.Kept) error {
			ids = append(ids, kept.ID)
			if reason := e.refused.Reason(kept); !strings.Contains(reason, "exceed") || e.refused.Subject(kept) != "crm.zoho.Deals.edit" {
				t.Errorf("%s on %s is kept because %q", kept.ID, e.refused.Subject(kept), reason)
			}
			if kept.ID == "3" {
				return nil
			}
			_, err := e.refused.Again(t.Context(), kept, e.forwarder.Journal)
			if err == nil {
				err = e.refused.Drop(t.Context(), kept)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return ids
	}
	if got := fmt.Sprint(again()); got != "[2 3]" {
		t.Errorf("refused are %s", got)
	}
	pending(t, e.forwarder, 0)
	config.MaxMsgSize = -1
	if _, err := js.UpdateStream(t.Context(), config); err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(again()); got != "[3 2]" {
		t.Errorf("after a second refusal, refused are %s", got)
	}
	pending(t, e.forwarder, 0)
	if got := fmt.Sprint(remote.holds(t)); got != "[1 4 2]" {
		t.Errorf("the remote holds %s", got)
	}
	if n := counter(t, registry, "crm_bridge_refused_total"); n != 3 {
		t.Errorf("refused_total is %v", n)
	}
}

func counter(t *testing.T, registry *prometheus.Registry, name string) float64 {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	for _, family := range families {
		if family.GetName() == name {
			return family.GetMetric()[0].GetCounter().GetValue()
		}
	}
	t.Fatalf("there is no %s", name)
	return 0
}

// A full journal takes nothing more and drops nothing; when the remote has emptied it, it takes events again, and the disk
// that it took is free.
func TestJournalIsBounded(t *testing.T) {
	remote := openRemote(t)
	e := openEdge(t, remote.server.ClientURL(), 20<<20)
	var taken atomic.Int64
	for range 20000 {
		large := newEvent(t, fmt.Sprint(taken.Load()+1))
		large.SetExtension("large", strings.Repeat("x", 100<<10))
		if _, err := e.publisher.Publish(t.Context(), publish.Event{Event: large}); err != nil {
			break
		}
		taken.Add(1)
	}
	if n := taken.Load(); n < 150 || n > 204 {
		t.Fatalf("a journal of 20 MiB took %d events of 100 KiB", n)
	}
	run(t, e.forwarder)
	pending(t, e.forwarder, 0)
	remote.holdsJust(t, int(taken.Load()))
	e.publish(t, int(taken.Load())+1, int(taken.Load())+1)
	pending(t, e.forwarder, 0)
	until(t, func() bool { return blocks(t, e.dir) < 1<<20 })
}

// blocks returns the bytes of the journal's block files.
func blocks(t *testing.T, dir string) (bytes int64) {
	t.Helper()
	_ = filepath.WalkDir(filepath.Join(dir, "jetstream", "$G", "streams", "CRM_JOURNAL", "msgs"), func(path string, entry fs.DirEntry, err error) error {
		if err == nil && strings.HasSuffix(path, ".blk") {
			if info, err := entry.Info(); err == nil {
				bytes += info.Size()
			}
		}
		return nil
	})
	return bytes
}
