package store_test

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/crm-bridge/crm-bridge/publish"
	"github.com/crm-bridge/crm-bridge/publish/embedded"
	"github.com/crm-bridge/crm-bridge/publish/store"
)

// holdings returns the streams of a store, by name, and their names in order.
func holdings(t *testing.T, s *store.EventStore) (of map[string]store.Holding, names []string) {
	t.Helper()
	all, err := s.Holdings(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	of = map[string]store.Holding{}
	for _, one := range all {
		of[one.Stream], names = one, append(names, one.Stream)
	}
	return of, names
}

// erase erases the messages of a stream that have a text in them, and returns how many it were.
func erase(t *testing.T, of store.Holding, text string) (n int) {
	t.Helper()
	conn, err := of.Reach()
	if err != nil {
		t.Fatal(err)
	}
	if err := conn.ReadPages(t.Context(), of.Stream, 1, func(m publish.Stored) error {
		if !bytes.Contains(m.Data, []byte(text)) {
			return nil
		}
		n++
		return conn.Erase(t.Context(), of.Stream, m.Sequence)
	}); err != nil {
		t.Fatal(err)
	}
	if of.Erased != nil {
		if err := of.Erased(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if of.Settled != nil {
		if err := of.Settled(t.Context()); err != nil {
			t.Error(err)
		}
	}
	return n
}

// filesWith returns the files below a folder in which a text is.
func filesWith(t *testing.T, folder, text string) (found []string) {
	t.Helper()
	if err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		content, err := os.ReadFile(path)
		if bytes.Contains(content, []byte(text)) {
			found = append(found, path)
		}
		return err
	}); err != nil {
		t.Fatal(err)
	}
	return found
}

// However the disk is synced, what is erased of the embedded server's streams leaves its files, and events are taken as before.
func TestEraseEmbedded(t *testing.T) {
	for name, sync := range map[string]embedded.Sync{"commit": {}, "server": {Server: true}} {
		t.Run(name, func(t *testing.T) {
			c := config(t)
			c.Server.Sync, c.RecordsHistory = sync, 1
			s := open(t, c)
			if _, err := s.Records(t.Context()); err != nil {
				t.Fatal(err)
			}
			for range 3 {
				if err := putData(t, s, "one", `"victim"`); err != nil {
					t.Fatal(err)
				}
				if err := put(t, s, "two"); err != nil {
					t.Fatal(err)
				}
			}
			js := owner(t, s)
			if _, err := js.Publish(t.Context(), "crm-records.acme.one.Deals.victim", []byte("victim")); err != nil {
				t.Fatal(err)
			}
			of, names := holdings(t, s)
			if want := []string{"CRM", "CRM_REPLAY", "CRM_QUARANTINE", "CRM_RECORDS", "CRM_DEAD"}; !slices.Equal(names, want) {
				t.Errorf("the streams are %q", names)
			}
			for stream, want := range map[string]int{"CRM": 3, "CRM_QUARANTINE": 0, "CRM_RECORDS": 1} {
				if n := erase(t, of[stream], "victim"); n != want {
					t.Errorf("%d messages were erased in %s", n, stream)
				}
			}
			if found := filesWith(t, c.Server.Dir, "victim"); len(found) > 0 {
				t.Errorf("it is still in %q", found)
			}
			if err := put(t, s, "three"); err != nil {
				t.Error(err)
			}
			if err := s.Ready(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

// The index that the server wrote at its last end names the subjects of states, and so the records. It does not after an erasure.
func TestEraseForgetsSubjects(t *testing.T) {
	c := config(t)
	c.RecordsHistory = 1
	s := open(t, c)
	if _, err := s.Records(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := owner(t, s).Publish(t.Context(), "crm-records.acme.one.Deals.victim", []byte("text")); err != nil {
		t.Fatal(err)
	}
	s.Close()
	if len(filesWith(t, c.Server.Dir, "victim")) != 2 {
		t.Fatal("the index does not name the subject: this test is of no use")
	}
	c.Registry = prometheus.NewRegistry()
	s = open(t, c)
	if _, err := s.Records(t.Context()); err != nil {
		t.Fatal(err)
	}
	of, _ := holdings(t, s)
	erase(t, of["CRM_RECORDS"], "text")
	if found := filesWith(t, c.Server.Dir, "victim"); len(found) > 0 {
		t.Errorf("it is still in %q", found)
	}
}

// What is erased of a journal is never forwarded: not when the remote comes back, and not from what was in flight.
func TestEraseJournal(t *testing.T) {
	remote := openFar(t)
	c := config(t)
	c.Remote = publish.Address{URL: remote.url}
	s := open(t, c)
	running(t, s)
	until(t, func() bool { _, err := s.Reach(); return err == nil })
	remote.stop()
	for _, data := range []string{`"victim"`, `"other"`, `"victim"`} {
		if err := putData(t, s, "of "+data, data); err != nil {
			t.Fatal(err)
		}
	}
	of, names := holdings(t, s)
	if want := []string{"CRM_JOURNAL", "CRM_REFUSED", "CRM", "CRM_REPLAY", "CRM_QUARANTINE", "CRM_RECORDS", "CRM_DEAD"}; !slices.Equal(names, want) {
		t.Errorf("the streams are %q", names)
	}
	if n := erase(t, of["CRM_JOURNAL"], "victim"); n != 2 {
		t.Errorf("%d events were erased", n)
	}
	if found := filesWith(t, c.Server.Dir, "victim"); len(found) > 0 {
		t.Errorf("it is still in %q", found)
	}
	remote.start(t)
	until(t, func() bool { return s.Status(t.Context()).Pending != nil && *s.Status(t.Context()).Pending == 0 })
	if err := putData(t, s, "last", `"last"`); err != nil {
		t.Fatal(err)
	}
	// With the remote there, an erasure begins the forwarding again, and what is already forwarded leaves the journal's file.
	until(t, func() bool { return *s.Status(t.Context()).Pending == 0 })
	erase(t, of["CRM_JOURNAL"], "victim")
	if _, err := s.Reach(); err != nil {
		t.Error(err)
	}
	if found := filesWith(t, c.Server.Dir, `"last"`); len(found) > 0 {
		t.Errorf("what is forwarded is still in %q", found)
	}
	stream, err := remote.js(t).Stream(t.Context(), "CRM")
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for sequence := uint64(1); sequence <= stream.CachedInfo().State.LastSeq; sequence++ {
		msg, err := stream.GetMsg(t.Context(), sequence)
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, string(msg.Data))
	}
	if len(got) != 2 || strings.Contains(strings.Join(got, " "), "victim") {
		t.Errorf("the remote has %q", got)
	}
}

// A stream of an earlier configuration in the data folder is one of those that are erased.
func TestEraseLeftovers(t *testing.T) {
	c := config(t)
	s := open(t, c)
	if err := putData(t, s, "one", `"victim"`); err != nil {
		t.Fatal(err)
	}
	if _, err := owner(t, s).CreateStream(t.Context(), jetstream.StreamConfig{Name: "THEIRS", Subjects: []string{"theirs"}}); err != nil {
		t.Fatal(err)
	}
	s.Close()
	c.Registry, c.Stream, c.Prefix = prometheus.NewRegistry(), "NEW", "new"
	s = open(t, c)
	of, names := holdings(t, s)
	if want := []string{"NEW", "NEW_REPLAY", "NEW_QUARANTINE", "NEW_RECORDS", "NEW_DEAD", "CRM", "CRM_DEAD", "CRM_QUARANTINE"}; !slices.Equal(names, want) {
		t.Errorf("the streams are %q", names)
	}
	if n := erase(t, of["CRM"], "victim"); n != 1 || len(filesWith(t, c.Server.Dir, "victim")) > 0 {
		t.Errorf("%d messages were erased", n)
	}
}
