package store_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/crm-bridge/crm-bridge/publish"
	"github.com/crm-bridge/crm-bridge/publish/store"
)

// fills returns how full the streams of a store are, by name.
func fills(t *testing.T, s *store.EventStore) map[string]store.Fill {
	t.Helper()
	all, err := s.Fills(t.Context())
	if err != nil {
		t.Error(err)
	}
	of := map[string]store.Fill{}
	for _, one := range all {
		of[one.Stream] = one
	}
	return of
}

// Each stream of the embedded server says how full it is, what sets its limit, and what happens there.
func TestFills(t *testing.T) {
	s := open(t, config(t))
	if err := put(t, s, "one"); err != nil {
		t.Fatal(err)
	}
	of := fills(t, s)
	if events := of["CRM"]; events.Messages != 1 || events.Bytes == 0 || events.MaxBytes != 1<<20 || events.Variable != "BRIDGE_STREAM_MAX_BYTES" || events.Rejects || !events.Own || events.Oldest.IsZero() {
		t.Errorf("the events are %+v", events)
	}
	if kept := of["CRM_QUARANTINE"]; kept.Messages != 0 || kept.Variable != "BRIDGE_QUARANTINE_MAX_BYTES" || !kept.Rejects {
		t.Errorf("the quarantine is %+v", kept)
	}
}

// A stream of the remote that the bridge did not make shows how it differs; while the remote is down each of its streams says so, and those
// of the journal are still known.
func TestFillsOfARemote(t *testing.T) {
	remote := openFar(t)
	if _, err := remote.js(t).CreateStream(t.Context(), jetstream.StreamConfig{Name: "CRM", Subjects: []string{"crm.>"}, Discard: jetstream.DiscardNew, MaxMsgs: 10}); err != nil {
		t.Fatal(err)
	}
	c := config(t)
	c.Remote = publish.Address{URL: remote.url}
	s := open(t, c)
	running(t, s)
	until(t, func() bool { _, err := s.Reach(); return err == nil })
	events := fills(t, s)["CRM"]
	if events.Own || !slices.ContainsFunc(events.Differences, func(one string) bool { return strings.Contains(one, "max_msgs is 10, not unlimited") }) {
		t.Errorf("the events are %+v", events)
	}
	remote.stop()
	until(t, func() bool { _, err := s.Reach(); return err != nil })
	of := fills(t, s)
	if of["CRM"].Err == nil {
		t.Errorf("while the remote is down the events are %+v", of["CRM"])
	}
	if journal := of["CRM_JOURNAL"]; journal.Err != nil || journal.Variable != "BRIDGE_JOURNAL_MAX_BYTES" || !journal.Rejects {
		t.Errorf("the journal is %+v", journal)
	}
}
