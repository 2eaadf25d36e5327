package store_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/crm-bridge/crm-bridge/publish"
	"github.com/crm-bridge/crm-bridge/publish/store"
)

// A store that events can be put in, but whose disk fails a probe, is not ready, and says so; a second later it is asked again.
func TestReadyAsksTheDisk(t *testing.T) {
	for _, journal := range []bool{false, true} {
		t.Run(fmt.Sprint("journal ", journal), func(t *testing.T) {
			c := config(t)
			if journal {
				c.Remote = publish.Address{URL: openFar(t).url}
			}
			var probed atomic.Int64
			var full atomic.Bool
			full.Store(true)
			c.Probe = func(context.Context) error {
				probed.Add(1)
				if full.Load() {
					return errors.New("no space left on device")
				}
				return nil
			}
			s := open(t, c)
			for range 5 {
				if err := s.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), "nothing can be stored: no space left") {
					t.Fatalf("ready: %v", err)
				}
			}
			if n := probed.Load(); n != 1 {
				t.Errorf("the disk was asked %d times", n)
			}
			full.Store(false)
			until(t, func() bool { return s.Ready(t.Context()) == nil })
		})
	}
}

// With a journal an unreachable remote does not make the bridge unready: events wait, and their number is known. With direct
// delivery it is one.
func TestReadyWithoutTheRemote(t *testing.T) {
	remote := openFar(t)
	remote.stop()
	c := config(t)
	c.Remote = publish.Address{URL: remote.url}
	journal := open(t, c)
	c.Direct, c.Registry = true, prometheus.NewRegistry()
	direct := open(t, c)
	running(t, journal)
	running(t, direct)
	if err := put(t, journal, "one"); err != nil {
		t.Fatal(err)
	}
	if err := journal.Ready(t.Context()); err != nil {
		t.Error(err)
	}
	status := journal.Status(t.Context())
	if !status.Forwards || status.Interrupted == nil || status.Pending == nil || *status.Pending != 1 {
		t.Errorf("the journal's status is %+v", status)
	}
	if err := direct.Ready(t.Context()); err == nil || !strings.Contains(err.Error(), "nothing can be stored") {
		t.Errorf("direct delivery is ready: %v", err)
	}
	if status := direct.Status(t.Context()); status.Forwards || status.Pending != nil {
		t.Errorf("direct delivery's status is %+v", status)
	}
	remote.start(t)
	until(t, func() bool { return direct.Ready(t.Context()) == nil })
	until(t, func() bool {
		status := journal.Status(t.Context())
		return status.Interrupted == nil && status.Pending != nil && *status.Pending == 0
	})
}

// A remote whose streams are found not to fit while the store runs makes a journal unready, although it takes events, until
// they are fixed.
func TestReadyOfAMisfit(t *testing.T) {
	remote := openFar(t)
	if _, err := remote.js(t).CreateStream(t.Context(), jetstream.StreamConfig{Name: "OTHER", Subjects: []string{"crm.>"}}); err != nil {
		t.Fatal(err)
	}
	remote.stop()
	c := config(t)
	c.Remote = publish.Address{URL: remote.url}
	s := open(t, c)
	running(t, s)
	remote.start(t)
	until(t, func() bool {
		err := s.Ready(t.Context())
		return err != nil && strings.HasPrefix(err.Error(), "the remote's streams cannot be used: BRIDGE_NATS_URL: stream OTHER")
	})
	if err := put(t, s, "one"); err != nil {
		t.Error(err)
	}
	if err := remote.js(t).DeleteStream(t.Context(), "OTHER"); err != nil {
		t.Fatal(err)
	}
	until(t, func() bool { return s.Ready(t.Context()) == nil })
}

// Events do not wait for a stream of quarantined callbacks that a remote has no room for. A remote that never had it makes the
// journal unready, one that has lost it does not.
func TestReadyWithoutQuarantine(t *testing.T) {
	remote := openFarWith(t, 3<<19) // for one stream of a megabyte
	c := config(t)
	c.Remote = publish.Address{URL: remote.url}
	c.QuarantineBytes = 1 << 18
	var probed atomic.Int64
	c.Probe = func(context.Context) error { probed.Add(1); return nil }
	s := open(t, c)
	running(t, s)
	until(t, func() bool { return s.Ready(t.Context()) == nil && s.Status(t.Context()).Interrupted == nil })
	js := remote.js(t)
	err := js.DeleteStream(t.Context(), "CRM_QUARANTINE")
	if err == nil {
		_, err = js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "OTHER", MaxBytes: 1 << 19})
	}
	if err != nil {
		t.Fatal(err)
	}
	remote.stop()
	remote.start(t)
	waits := func(s *store.EventStore) int {
		n := 0
		if err := s.Refused.Each(t.Context(), func(publish.Kept) error { n++; return nil }); err != nil {
			t.Error(err)
		}
		return n
	}
	if err := s.Keep(t.Context(), "zoho-webhooks", "kept", []byte(`{}`)); err != nil {
		t.Fatal(err)
	}
	until(t, func() bool { return waits(s) == 1 })
	before := probed.Load()
	until(t, func() bool { return s.Ready(t.Context()) == nil && probed.Load() > before }) // it was judged since

	c = config(t)
	c.Remote = publish.Address{URL: remote.url}
	c.QuarantineBytes = 1 << 18
	fresh := open(t, c)
	running(t, fresh)
	if err := fresh.Ready(t.Context()); err == nil || !strings.HasPrefix(err.Error(), "the remote's streams cannot be used: BRIDGE_NATS_URL: stream CRM_QUARANTINE") {
		t.Errorf("ready: %v", err)
	}
	if err := put(t, fresh, "one"); err != nil {
		t.Fatal(err)
	}
	until(t, func() bool {
		stream, err := remote.js(t).Stream(t.Context(), "CRM")
		return err == nil && stream.CachedInfo().State.Msgs == 1
	})
}
