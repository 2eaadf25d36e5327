package publish_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/crm-bridge/crm-bridge/publish"
)

// followed is a follower of a remote, and what became of it.
type followed struct {
	remote *remoteServer
	away   atomic.Bool // nobody is let in
	ended  chan error

	mu   sync.Mutex
	read []string // data of messages
	said []string // losses and returns
}

// follow follows the stream from its first event on, and returns when it has read so many.
func follow(t *testing.T, remote *remoteServer, read int) *followed {
	t.Helper()
	f := followSince(t, remote, time.Now().Add(-time.Hour))
	f.reads(t, read)
	return f
}

func followSince(t *testing.T, remote *remoteServer, since time.Time) *followed {
	t.Helper()
	f := &followed{remote: remote, ended: make(chan error, 1)}
	note := func(text string) {
		f.mu.Lock()
		defer f.mu.Unlock()
		f.said = append(f.said, text)
	}
	follower := &publish.Follower{
		Stream: "CRM", Since: since,
		Reach: func(ctx context.Context) (*publish.Conn, error) {
			if f.away.Load() {
				return nil, errors.New("away")
			}
			return publish.Address{URL: remote.server.ClientURL()}.Reach(ctx, slog.New(slog.DiscardHandler))
		},
		Lost: func(why error) { note("lost: " + why.Error()) },
		Back: func(remark string) { note("back: " + remark) },
	}
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		f.ended <- follower.Follow(ctx, func(s publish.Stored) error {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.read = append(f.read, string(s.Data))
			return nil
		})
	}()
	t.Cleanup(func() {
		cancel()
		if err := <-f.ended; err != nil {
			t.Errorf("ended with %v", err)
		}
	})
	return f
}

// reads waits until so many messages were read.
func (f *followed) reads(t *testing.T, n int) []string {
	t.Helper()
	all := func() []string {
		f.mu.Lock()
		defer f.mu.Unlock()
		return append([]string(nil), f.read...)
	}
	until(t, func() bool { return len(all()) >= n })
	return all()
}

// says waits until something was said.
func (f *followed) says(t *testing.T, want string) {
	t.Helper()
	until(t, func() bool {
		f.mu.Lock()
		defer f.mu.Unlock()
		return strings.Contains(strings.Join(f.said, "\n"), want)
	})
}

// put publishes messages that are called from first to last.
func put(t *testing.T, js jetstream.JetStream, first, last int) {
	t.Helper()
	for i := first; i <= last; i++ {
		if _, err := js.Publish(t.Context(), "crm.acme.Deals.edit", []byte(fmt.Sprint(i))); err != nil {
			t.Error(err) // and not Fatal: it also runs beside the test
			return
		}
	}
}

func followedRemote(t *testing.T, messages int) (*remoteServer, jetstream.JetStream) {
	t.Helper()
	remote := openRemote(t)
	js := remote.js(t)
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "CRM", Subjects: []string{"crm.>"}}); err != nil {
		t.Fatal(err)
	}
	put(t, js, 1, messages)
	return remote, js
}
