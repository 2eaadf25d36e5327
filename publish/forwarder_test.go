package publish_test

import (
	"fmt"
	"io/fs"
	"log/slog"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/crm-bridge/crm-bridge/publish"
	"github.com/crm-bridge/crm-bridge/schemas/cloudevent"
	"github.com/crm-bridge/crm-bridge/test/publishtest"
)

// An event is forwarded as it was published, with its id, on its own subject, and is removed from the journal.
func TestForward(t *testing.T) {
	remote := openRemote(t)
	e := openEdge(t, remote.server.ClientURL(), 1<<26)
	acks, err := e.publisher.Publish(t.Context(), publish.Event{Event: publishtest.Event("1")})
	if err != nil {
		t.Fatal(err)
	}
	if got := acks[0]; got.Stream != "CRM_JOURNAL" || got.Subject != "crm.acme.Deals.edit" || got.Sequence != 1 {
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
	if raw.Subject != "crm.acme.Deals.edit" || raw.Header.Get(nats.MsgIdHdr) != "1" {
		t.Errorf("the remote has it on %s with %v", raw.Subject, raw.Header)
	}
	for name := range raw.Header {
		if strings.HasPrefix(name, "crm-bridge") {
			t.Errorf("a header of the journal is forwarded: %s", name)
		}
	}
	got, err := publish.ParseEvent(raw.Header, raw.Data)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(publishtest.Event("1"), publishtest.Read(t, got)); diff != "" {
		t.Errorf("the remote has %s", diff)
	}
	stop()
	if held, err := e.conn.Streams(t.Context()); held["CRM_JOURNAL"] != 0 || err != nil {
		t.Errorf("after the end the journal holds %d: %v", held["CRM_JOURNAL"], err)
	}
}

// The remote is down twice under load, and then the forwarder itself is replaced. Every event arrives once, in order.
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
	e.forwarder = e.newForwarder(remote.server.ClientURL(), publishtest.Metrics())
	run(t, e.forwarder)
	pending(t, e.forwarder, 0)
	remote.holdsJust(t, last+each)
}

// A large backlog is forwarded over one connection, without a retry.
func TestForwardBacklog(t *testing.T) {
	remote := openRemote(t)
	e := openEdge(t, remote.server.ClientURL(), 1<<28)
	var log strings.Builder
	e.forwarder.Log = slog.New(slog.NewTextHandler(&log, nil))
	const all = 6000
	for first := 1; first <= all; first += 500 {
		var events []publish.Event
		for i := first; i < first+500; i++ {
			events = append(events, publish.Event{Event: publishtest.Event(fmt.Sprint(i))})
		}
		if _, err := e.publisher.Publish(t.Context(), events...); err != nil {
			t.Fatal(err)
		}
	}
	stop := run(t, e.forwarder)
	pending(t, e.forwarder, 0)
	remote.holdsJust(t, all)
	if stop(); log.Len() > 0 {
		t.Errorf("forwarding was interrupted: %s", log.String())
	}
}

// A stream that is deleted on the remote is made again, and waiting events are stored in it.
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

// What the remote rejects permanently is set aside with the reason, and later events are not blocked. It can be sent again when the
// remote accepts it.
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
	large := publishtest.Event("2")
	large.Extensions = []cloudevent.Extension{{Name: "large", Value: strings.Repeat("x", 5000)}}
	huge := publishtest.Event("3") // beyond max_payload of the whole server
	huge.Extensions = []cloudevent.Extension{{Name: "large", Value: strings.Repeat("x", 2<<20)}}
	if _, err := e.publisher.Publish(t.Context(), publish.Event{Event: publishtest.Event("1")}, publish.Event{Event: large, Repeatable: true}, publish.Event{Event: huge}, publish.Event{Event: publishtest.Event("4")}); err != nil {
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
			if reason := e.refused.Reason(kept); !strings.Contains(reason, "exceed") || e.refused.Subject(kept) != "crm.acme.Deals.edit" {
				t.Errorf("%s on %s is kept because %q", kept.ID, e.refused.Subject(kept), reason)
			}
			if kept.ID == "3" {
				return nil
			}
			_, err := e.refused.Again(t.Context(), kept)
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

// A full journal rejects events and drops none; when it was forwarded, it stores events again, and its disk space is free.
func TestJournalIsBounded(t *testing.T) {
	remote := openRemote(t)
	e := openEdge(t, remote.server.ClientURL(), 20<<20)
	var taken atomic.Int64
	for range 20000 {
		large := publishtest.Event(fmt.Sprint(taken.Load() + 1))
		large.Extensions = []cloudevent.Extension{{Name: "large", Value: strings.Repeat("x", 100<<10)}}
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
