package publish_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/crm-bridge/crm-bridge/publish"
	"github.com/crm-bridge/crm-bridge/test/publishtest"
)

// straight publishes to a remote without a journal, and counts how often its streams are ensured.
func straight(t *testing.T, remote *remoteServer) (p *publish.Publisher, asked *atomic.Int64) {
	t.Helper()
	conn, err := publish.Address{URL: remote.server.ClientURL()}.Await(publishtest.Log)
	if err != nil {
		t.Fatal(err)
	}
	asked = &atomic.Int64{}
	upkeep := &publish.Upkeep{Conn: conn, Log: publishtest.Log, Ensure: func(ctx context.Context, conn *publish.Conn) (map[string]publish.Stream, error) {
		asked.Add(1)
		stream, _, err := conn.EnsureStream(ctx, publishtest.Stream("CRM", "crm.>"))
		return map[string]publish.Stream{"CRM": stream}, err
	}}
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() {
		defer close(done)
		upkeep.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-done
		conn.Close()
	})
	return &publish.Publisher{Conn: conn, Stream: "CRM", Prefix: "crm", AllIDs: true, Metrics: publishtest.Metrics(), Upkeep: upkeep}, asked
}

// publishAll publishes events with the ids from first to last concurrently, each with a timeout.
func publishAll(t *testing.T, p *publish.Publisher, first, last int, within time.Duration) {
	t.Helper()
	var all sync.WaitGroup
	for i := first; i <= last; i++ {
		all.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), within)
			defer cancel()
			acks, err := p.Publish(ctx, publish.Event{Event: publishtest.Event(fmt.Sprint(i))})
			if err != nil || acks[0].Duplicate {
				t.Errorf("event %d: %v %+v", i, err, acks)
			}
		})
	}
	all.Wait()
}

// However many events find their stream deleted, it is made again once, and each of them is stored once.
func TestDeletedStreamIsMadeAgainOnce(t *testing.T) {
	remote := openRemote(t)
	p, asked := straight(t, remote)
	publishAll(t, p, 1, 1, 10*time.Second)
	before := asked.Load()
	if err := remote.js(t).DeleteStream(t.Context(), "CRM"); err != nil {
		t.Fatal(err)
	}
	publishAll(t, p, 2, 300, 10*time.Second)
	if n := asked.Load() - before; n < 1 || n > 3 {
		t.Errorf("the streams were asked for %d times", n)
	}
	if got := len(remote.holds(t)); got != 299 {
		t.Errorf("the new stream holds %d events", got)
	}
	if err := p.Ready(t.Context()); err != nil {
		t.Errorf("not ready: %v", err)
	}
}

// Events that are published while the remote restarts, with its disk or without, are stored once it is back.
func TestPublishWaitsForTheRemote(t *testing.T) {
	remote := openRemote(t)
	p, _ := straight(t, remote)
	publishAll(t, p, 1, 1, 10*time.Second)
	for round, lose := range []bool{false, true} {
		remote.stop()
		if lose {
			if err := os.RemoveAll(filepath.Join(remote.options.StoreDir, "jetstream")); err != nil {
				t.Fatal(err)
			}
		}
		published := make(chan struct{})
		go func() {
			defer close(published)
			publishAll(t, p, 2+50*round, 51+50*round, 20*time.Second)
		}()
		until(t, func() bool { return p.Conn.Up() != nil })
		remote.start(t)
		<-published
		until(t, func() bool { return p.Ready(t.Context()) == nil })
	}
	if got := len(remote.holds(t)); got != 50 {
		t.Errorf("the stream that was made again holds %d events", got)
	}
}

// Publish uses all of its time, and sends nothing after it has returned an error.
func TestNothingIsSentAfterwards(t *testing.T) {
	remote := openRemote(t)
	p, _ := straight(t, remote)
	publishAll(t, p, 1, 1, 10*time.Second)
	remote.stop()
	until(t, func() bool { return p.Conn.Up() != nil })
	ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
	defer cancel()
	began := time.Now()
	_, err := p.Publish(ctx, publish.Event{Event: publishtest.Event("late")})
	if err == nil || !publish.Temporary(err) {
		t.Errorf("without a remote: %v", err)
	}
	if errors.Is(err, publish.ErrUnanswered) {
		t.Errorf("nothing was sent, and something is held: %v", err)
	}
	if took := time.Since(began); took < 250*time.Millisecond {
		t.Errorf("it gave up after %s", took)
	}
	remote.start(t)
	publishAll(t, p, 2, 2, 10*time.Second)
	if got := fmt.Sprint(remote.holds(t)); got != "[1 2]" {
		t.Errorf("the stream holds %s", got)
	}
}

// A stream of another name on the same subjects is reported; when it is deleted, events are stored again, waiting ones too.
func TestStreamOfAnotherName(t *testing.T) {
	remote := openRemote(t)
	p, _ := straight(t, remote)
	publishAll(t, p, 1, 1, 10*time.Second)
	js := remote.js(t)
	if err := js.DeleteStream(t.Context(), "CRM"); err != nil {
		t.Fatal(err)
	}
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "OTHER", Subjects: []string{"crm.>"}}); err != nil {
		t.Fatal(err)
	}
	published := make(chan struct{})
	go func() {
		defer close(published)
		publishAll(t, p, 2, 2, 20*time.Second)
	}()
	until(t, func() bool { return p.Upkeep.Problem() != nil })
	if err := js.DeleteStream(t.Context(), "OTHER"); err != nil {
		t.Fatal(err)
	}
	<-published
	if got := fmt.Sprint(remote.holds(t)); got != "[2]" {
		t.Errorf("the stream holds %s", got)
	}
}

// An event that the remote silently drops, as a leader that steps down does, is sent once more before the context ends.
func TestSilenceIsAskedOnceMore(t *testing.T) {
	remote := openRemote(t)
	p, _ := straight(t, remote)
	publishAll(t, p, 1, 1, 10*time.Second)
	js := remote.js(t)
	if err := js.DeleteStream(t.Context(), "CRM"); err != nil {
		t.Fatal(err)
	}
	sink, err := js.Conn().SubscribeSync("crm.>") // takes the event, and says nothing
	if err != nil {
		t.Fatal(err)
	}
	if err := js.Conn().Flush(); err != nil {
		t.Fatal(err)
	}
	published := make(chan struct{})
	go func() {
		defer close(published)
		publishAll(t, p, 2, 2, 4*time.Second)
	}()
	if _, err := sink.NextMsg(10 * time.Second); err != nil {
		t.Fatal(err)
	}
	if err := sink.Unsubscribe(); err != nil {
		t.Fatal(err)
	}
	<-published
	if got := fmt.Sprint(remote.holds(t)); got != "[2]" {
		t.Errorf("the stream holds %s", got)
	}
}

// Publish reports whether NATS' client still holds a failed event: an unanswered one, but not a rejected one.
func TestWhatIsHeldAfterAnError(t *testing.T) {
	remote := openRemote(t)
	conn, err := publish.Address{URL: remote.server.ClientURL()}.Await(publishtest.Log)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	p := &publish.Publisher{Conn: conn, Stream: "CRM", Prefix: "crm", AllIDs: true, Metrics: publishtest.Metrics()}
	again := func(id string) error {
		ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
		defer cancel()
		_, err := p.Publish(ctx, publish.Event{Event: publishtest.Event(id)})
		return err
	}
	if err := again("refused"); err == nil || errors.Is(err, publish.ErrUnanswered) {
		t.Errorf("without a stream: %v", err)
	}
	js := remote.js(t)
	sink, err := js.Conn().SubscribeSync("crm.>") // takes the event, and says nothing
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = sink.Unsubscribe() }()
	if err := js.Conn().Flush(); err != nil {
		t.Fatal(err)
	}
	if err := again("held"); !errors.Is(err, publish.ErrUnanswered) {
		t.Errorf("without an answer: %v", err)
	}
}
