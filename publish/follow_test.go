package publish_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/crm-bridge/crm-bridge/publish"
)

// Behind a stream that was restored from an older copy a follower does not wait for its old place to come again: it reads
// what was stored since.
func TestFollowARestoredStream(t *testing.T) {
	t.Parallel()
	t.Run("shorter than what was read", func(t *testing.T) { followRestored(t, 8) })
	t.Run("longer by now", func(t *testing.T) { followRestored(t, 12) })
}

// followRestored follows a stream that is restored to its first three messages, and then takes those from 7 to last.
func followRestored(t *testing.T, last int) {
	remote, _ := followedRemote(t, 3)
	remote.stop()
	copied := t.TempDir()
	if err := os.CopyFS(copied, os.DirFS(remote.options.StoreDir)); err != nil {
		t.Fatal(err)
	}
	remote.start(t)
	put(t, remote.js(t), 4, 6)
	f := follow(t, remote, 6)
	f.away.Store(true)
	remote.stop()
	remote.options.StoreDir = copied
	remote.start(t)
	put(t, remote.js(t), 7, last)
	f.away.Store(false)
	f.says(t, "was restored to an earlier state")
	put(t, remote.js(t), last+1, last+1)
	for i, got := range f.reads(t, last+1) {
		if got != fmt.Sprint(i+1) {
			t.Errorf("read %s in the place of %d", got, i+1)
		}
	}
}

// Who wants only what comes from now on gets also what came while the server was away, before there was a first event.
func TestFollowLiveBeforeTheFirstEvent(t *testing.T) {
	t.Parallel()
	remote, js := followedRemote(t, 2)
	f := followSince(t, remote, time.Time{})
	until(t, func() bool {
		stream, err := js.Stream(t.Context(), "CRM")
		if err != nil {
			return false
		}
		for info := range stream.ListConsumers(t.Context()).Info() {
			if info.NumWaiting > 0 { // it asked for what comes
				return true
			}
		}
		return false
	})
	f.away.Store(true)
	remote.stop()
	remote.start(t)
	put(t, remote.js(t), 3, 4)
	f.says(t, "lost: away")
	f.away.Store(false)
	if got := strings.Join(f.reads(t, 2), " "); got != "3 4" {
		t.Errorf("read %s", got)
	}
}

// What left the stream while a follower was away is told.
func TestFollowAPurgedStream(t *testing.T) {
	t.Parallel()
	remote, _ := followedRemote(t, 2)
	f := follow(t, remote, 2)
	f.away.Store(true)
	remote.stop()
	remote.start(t)
	js := remote.js(t)
	put(t, js, 3, 5)
	stream, err := js.Stream(t.Context(), "CRM")
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Purge(t.Context(), jetstream.WithPurgeSequence(5)); err != nil {
		t.Fatal(err)
	}
	f.says(t, "lost: away")
	f.away.Store(false)
	f.says(t, "what stream CRM held before #5 has left it")
	if got := strings.Join(f.reads(t, 3), " "); got != "1 2 5" {
		t.Errorf("read %s", got)
	}
}

// A consumer that the server has forgotten is made again, at its place.
func TestFollowWithoutItsConsumer(t *testing.T) {
	remote, js := followedRemote(t, 2)
	f := follow(t, remote, 2)
	stream, err := js.Stream(t.Context(), "CRM")
	if err != nil {
		t.Fatal(err)
	}
	for name := range stream.ConsumerNames(t.Context()).Name() {
		if err := stream.DeleteConsumer(t.Context(), name); err != nil {
			t.Fatal(err)
		}
	}
	put(t, js, 3, 4)
	if got := strings.Join(f.reads(t, 4), " "); got != "1 2 3 4" {
		t.Errorf("read %s", got)
	}
}

// From a time on, with several subjects: nothing is passed over where one of them is new to the stream since then. (With a
// start time the server itself does.)
func TestSeveralSubjectsSince(t *testing.T) {
	remote, js := followedRemote(t, 1)
	since := time.Now()
	put(t, js, 2, 3)
	if _, err := js.Publish(t.Context(), "crm.acme.Leads.edit", []byte("4")); err != nil {
		t.Fatal(err)
	}
	put(t, js, 5, 5)
	subjects := []string{"crm.acme.Deals.edit", "crm.acme.Leads.edit"}
	reach := func(ctx context.Context) (*publish.Conn, error) {
		return publish.Address{URL: remote.server.ClientURL()}.Reach(ctx, slog.New(slog.DiscardHandler))
	}
	var got []string
	each := func(s publish.Stored) error {
		if got = append(got, string(s.Data)); len(got) == 4 {
			return errEnough
		}
		return nil
	}
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	follower := &publish.Follower{Stream: "CRM", Since: since, Subjects: subjects, Reach: reach}
	err := follower.Follow(ctx, each)
	if strings.Join(got, " ") != "2 3 4 5" || !errors.Is(err, errEnough) {
		t.Errorf("followed %v: %v", got, err)
	}
	conn, err := reach(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	got = nil
	span, err := conn.OpenSpan(ctx, "CRM", subjects, publish.Bounds{Since: since})
	if err != nil {
		t.Fatal(err)
	}
	if err := span.Each(ctx, each); strings.Join(got, " ") != "2 3 4 5" || !errors.Is(err, errEnough) {
		t.Errorf("read %v: %v", got, err)
	}
	got = nil
	var puts sync.WaitGroup
	late := &publish.Follower{Stream: "CRM", Since: time.Now(), Subjects: subjects, Reach: func(ctx context.Context) (*publish.Conn, error) {
		puts.Go(func() { put(t, js, 6, 9) }) // when it reads, or before
		return reach(ctx)
	}}
	if err := late.Follow(ctx, each); strings.Join(got, " ") != "6 7 8 9" || !errors.Is(err, errEnough) {
		t.Errorf("from now on followed %v: %v", got, err)
	}
	puts.Wait()
}

// A follower leaves no consumer behind, ends when it is told to while its server is away, and a stream that never was is an
// error at once.
func TestFollowEnds(t *testing.T) {
	remote, js := followedRemote(t, 1)
	reach := func(ctx context.Context) (*publish.Conn, error) {
		return publish.Address{URL: remote.server.ClientURL()}.Reach(ctx, slog.New(slog.DiscardHandler))
	}
	follower := &publish.Follower{Stream: "CRM", Since: time.Now().Add(-time.Hour), Reach: reach}
	if err := follower.Follow(t.Context(), func(publish.Stored) error { return errEnough }); !errors.Is(err, errEnough) {
		t.Errorf("ended with %v", err)
	}
	if stream, err := js.Stream(t.Context(), "CRM"); err != nil || stream.CachedInfo().State.Consumers != 0 {
		t.Errorf("%v: left a consumer behind: %+v", err, stream.CachedInfo().State)
	}
	none := &publish.Follower{Stream: "NONE", Reach: reach}
	if err := none.Follow(t.Context(), nil); err == nil || !strings.Contains(err.Error(), "stream NONE") {
		t.Errorf("ended with %v", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	follower.Lost = func(error) { cancel() }
	err := follower.Follow(ctx, func(publish.Stored) error {
		go remote.stop()
		return nil
	})
	if err != nil {
		t.Errorf("ended with %v", err)
	}
}
