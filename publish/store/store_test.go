package store_test

import (
	"context"
	"errors"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/crm-bridge/crm-bridge/publish"
	"github.com/crm-bridge/crm-bridge/publish/disk"
	"github.com/crm-bridge/crm-bridge/publish/embedded"
	"github.com/crm-bridge/crm-bridge/publish/store"
)

// In each mode, an event that is published is in the stream of events, and the store says where consumers find it.
func TestEventsReachTheStream(t *testing.T) {
	for _, mode := range []string{"embedded", "journal", "direct"} {
		t.Run(mode, func(t *testing.T) {
			c := config(t)
			if mode != "embedded" {
				c.Remote, c.Direct = publish.Address{URL: openFar(t).url}, mode == "direct"
			}
			s := open(t, c)
			running(t, s)
			if err := put(t, s, "one"); err != nil {
				t.Fatal(err)
			}
			if err := putData(t, s, "large", `"`+strings.Repeat("x", 1<<20)+`"`); !errors.Is(err, publish.ErrTooLarge) {
				t.Errorf("what is larger than the stream ends with %v", err)
			}
			if err := s.Keep(t.Context(), "zoho-webhooks", "two", []byte(`{}`)); err != nil {
				t.Fatal(err)
			}
			until(t, func() bool {
				conn, err := s.Reach()
				if err != nil {
					return false
				}
				held, err := conn.Streams(t.Context())
				return err == nil && held["CRM"] == 1 && held["CRM_QUARANTINE"] == 1
			})
			found := 0
			for _, each := range []func(context.Context, func(publish.Kept) error) error{s.Quarantine.Each, s.Refused.Each} {
				if err := each(t.Context(), func(publish.Kept) error { found++; return nil }); err != nil {
					t.Error(err)
				}
			}
			if found != 1 {
				t.Errorf("%d callbacks are in quarantine or refused", found)
			}
			if conn, err := nats.Connect(s.URL); err != nil {
				t.Errorf("%s: %v", s.URL, err)
			} else {
				conn.Close()
			}
			if err := s.Ready(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

// However the disk is synced, events are taken, what is said of them is true, and a value of the state survives a restart.
func TestSyncModes(t *testing.T) {
	for says, sync := range map[string]embedded.Sync{
		"group commit":          {},
		"each event on its own": {Server: true},
		"in the page cache":     {Every: time.Second},
	} {
		t.Run(says, func(t *testing.T) {
			c := config(t)
			c.Server.Sync = sync
			s := open(t, c)
			if !strings.Contains(s.Durability(), says) {
				t.Errorf("it says %q", s.Durability())
			}
			if err := put(t, s, "one"); err != nil {
				t.Fatal(err)
			}
			state, err := s.State(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			for of, commits := range map[string]bool{
				"state": state.Commit != nil, "quarantine": s.Quarantine.Commit != nil, "deletions": s.Quarantine.CommitAll != nil,
			} {
				if commits != (sync == embedded.Sync{}) {
					t.Errorf("%s: it commits: %t", of, commits)
				}
			}
			if _, err := state.Save(t.Context(), "key", []byte("value"), 0); err != nil {
				t.Fatal(err)
			}
			s.Close()
			c.Registry = prometheus.NewRegistry()
			s = open(t, c)
			if state, err = s.State(t.Context()); err != nil {
				t.Fatal(err)
			}
			if value, _, err := state.Load(t.Context(), "key"); err != nil || string(value) != "value" {
				t.Errorf("loaded %q, %v", value, err)
			}
		})
	}
}

// Where the store on the disk is not as group commit expects it, the server syncs each event itself, and that is said.
func TestOddStoreIsSyncedByTheServer(t *testing.T) {
	c := config(t)
	c.Server.Sync = embedded.Sync{Server: true}
	s := open(t, c)
	js := owner(t, s)
	probe := jetstream.StreamConfig{Name: "CRM_PROBE", Subjects: []string{"_crm_bridge_probe.CRM_PROBE"}, Storage: jetstream.FileStorage}
	_, err := js.CreateStream(t.Context(), probe)
	if err == nil {
		probe.Sealed = true // nothing can be probed there
		_, err = js.UpdateStream(t.Context(), probe)
	}
	if err != nil {
		t.Fatal(err)
	}
	s.Close()
	var log strings.Builder
	c.Server.Sync, c.Log, c.Registry = embedded.Sync{}, slog.New(slog.NewTextHandler(&log, nil)), prometheus.NewRegistry()
	s = open(t, c)
	if !strings.Contains(s.Durability(), "each event on its own") || !strings.Contains(log.String(), "is not the expected one") {
		t.Errorf("it says %q, and the log is %s", s.Durability(), log.String())
	}
	if err := errors.Join(put(t, s, "one"), s.Ready(t.Context())); err != nil {
		t.Error(err)
	}
}

// Streams of a remote that do not fit end the start, and so does a stream of the embedded server that group commit cannot serve.
func TestMisfitsEndTheStart(t *testing.T) {
	remote := openFar(t)
	if _, err := remote.js(t).CreateStream(t.Context(), jetstream.StreamConfig{Name: "OTHER", Subjects: []string{"crm.>"}}); err != nil {
		t.Fatal(err)
	}
	for _, direct := range []bool{false, true} {
		c := config(t)
		c.Remote, c.Direct = publish.Address{URL: remote.url}, direct
		if _, err := store.Open(t.Context(), c); err == nil || !strings.HasPrefix(err.Error(), "BRIDGE_NATS_URL: stream OTHER already holds") {
			t.Errorf("direct %t: it starts: %v", direct, err)
		}
	}
}

// What is in the folder from another way to store is named at the start, and stays.
func TestLeftoversAreSaid(t *testing.T) {
	c := config(t)
	s := open(t, c)
	if err := put(t, s, "one"); err != nil {
		t.Fatal(err)
	}
	s.Close()
	var log strings.Builder
	c.Log, c.Registry, c.Remote = slog.New(slog.NewTextHandler(&log, nil)), prometheus.NewRegistry(), publish.Address{URL: openFar(t).url}
	open(t, c)
	if !strings.Contains(log.String(), "run crm-bridge copy --from embedded") || !strings.Contains(log.String(), "stream=CRM ") {
		t.Errorf("the log is %s", log.String())
	}
	if left, err := disk.Leftovers(c.Server.Dir, "CRM"); err != nil || len(left) != 1 || left[0].Folder != filepath.Join(c.Server.Dir, "jetstream", "$G", "streams", "CRM") {
		t.Errorf("left is %+v, %v", left, err)
	}
}

// A journal in the folder that direct delivery does not forward is named, with its number of events.
func TestDirectNamesALeftJournal(t *testing.T) {
	remote := openFar(t)
	remote.stop()
	c := config(t)
	c.Remote = publish.Address{URL: remote.url}
	s := open(t, c)
	if err := put(t, s, "one"); err != nil {
		t.Fatal(err)
	}
	s.Close()
	c.Direct, c.Registry = true, prometheus.NewRegistry()
	got := open(t, c).Status(t.Context()).Warnings
	if len(got) != 1 || !strings.Contains(got[0], "CRM_JOURNAL holds events (1)") {
		t.Errorf("the warnings are %q", got)
	}
}

// BRIDGE_STREAM_APPLY moves a stream to other subjects at the start, and not after another bridge has moved it since.
func TestApplyHoldsForTheStart(t *testing.T) {
	remote := openFar(t)
	js := remote.js(t)
	stream := jetstream.StreamConfig{
		Name: "CRM", Subjects: []string{"old.>"}, MaxBytes: 1 << 20, MaxAge: time.Hour, Replicas: 1, Metadata: map[string]string{"managed-by": "crm-bridge"},
	}
	if _, err := js.CreateStream(t.Context(), stream); err != nil {
		t.Fatal(err)
	}
	c := config(t)
	c.Remote, c.Direct, c.Apply = publish.Address{URL: remote.url}, true, true
	s := open(t, c)
	running(t, s)
	if err := put(t, s, "one"); err != nil {
		t.Fatal(err)
	}
	if _, err := js.UpdateStream(t.Context(), stream); err != nil {
		t.Fatal(err)
	}
	remote.stop()
	remote.start(t)
	until(t, func() bool {
		err := s.Ready(t.Context())
		return err != nil && strings.Contains(err.Error(), "BRIDGE_STREAM_APPLY")
	})
	if found, err := remote.js(t).Stream(t.Context(), "CRM"); err != nil || found.CachedInfo().Config.Subjects[0] != "old.>" {
		t.Errorf("it was moved again: %v", err)
	}
}

// With direct delivery an event that is sent again is not stored twice, whether its id comes again or not.
func TestDirectSendsEveryID(t *testing.T) {
	remote := openFar(t)
	c := config(t)
	c.Remote, c.Direct = publish.Address{URL: remote.url}, true
	s := open(t, c)
	for range 2 {
		if err := put(t, s, "one"); err != nil {
			t.Fatal(err)
		}
	}
	if stream, err := remote.js(t).Stream(t.Context(), "CRM"); err != nil || stream.CachedInfo().State.Msgs != 1 {
		t.Errorf("the stream holds %+v, %v", stream, err)
	}
}
