package transfer_test

import (
	"errors"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/crm-bridge/crm-bridge/publish"
	"github.com/crm-bridge/crm-bridge/publish/transfer"
	"github.com/crm-bridge/crm-bridge/test/publishtest"
)

// A target that others have written to is refused before anything is copied, and so is one that was copied from elsewhere.
func TestRefused(t *testing.T) {
	for name, prepare := range map[string]func(t *testing.T, s *sides){
		"events of others": func(t *testing.T, s *sides) {
			ensure(t, s.to, streams()[0].Config)
			put(t, s.to, "crm.acme.Deals.edit", "", "of others")
		},
		"events that others had there": func(t *testing.T, s *sides) {
			ensure(t, s.to, streams()[0].Config)
			remove(t, s.to, "CRM", put(t, s.to, "crm.acme.Deals.edit", "", "of others"))
		},
		"callbacks of others": func(t *testing.T, s *sides) {
			ensure(t, s.to, streams()[1].Config)
			put(t, s.to, "crm-quarantine.acme", "", "of others")
		},
		"events of others before the copy was complete": func(t *testing.T, s *sides) {
			if _, err := s.run(t, func(r *transfer.Run) { r.Ended = false }); err != nil {
				t.Fatal(err)
			}
			put(t, s.to, "crm.acme.Deals.edit", "", "of others")
			put(t, s.from, "crm.acme.Deals.edit", "", "more")
		},
		"more events of others than of the source": func(t *testing.T, s *sides) {
			if _, err := s.run(t, func(r *transfer.Run) { r.Ended = false }); err != nil {
				t.Fatal(err)
			}
			put(t, s.to, "crm.acme.Deals.edit", "", "of others")
		},
		"the source itself": func(_ *testing.T, s *sides) { s.to = s.from },
		"another source": func(t *testing.T, s *sides) {
			if _, err := s.run(t, func(r *transfer.Run) { r.Ended = false }); err != nil {
				t.Fatal(err)
			}
			_, s.from = publishtest.Open(t, nil)
			fill(t, s.from, 9)
		},
		"too little room": func(t *testing.T, s *sides) {
			config := streams()[0].Config
			config.MaxBytes = 1000
			if _, err := s.to.JetStream().CreateStream(t.Context(), jetstream.StreamConfig{Name: "CRM", Subjects: config.Subjects, MaxBytes: 1000}); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t)
			fill(t, s.from, 9)
			put(t, s.from, "crm-quarantine.acme", "q", "1")
			prepare(t, s)
			before := uint64(0)
			if !s.to.Lacks(t.Context(), "CRM") {
				before = state(t, s.to, "CRM").LastSeq
			}
			result, err := s.run(t, nil)
			if err == nil || result.Done {
				t.Fatalf("%+v", result)
			}
			t.Log(err)
			if after := state(t, s.to, "CRM").LastSeq; after != before && after != 0 {
				t.Errorf("the target's last was #%d and is #%d", before, after)
			}
		})
	}
}

// Whatever of a copy was changed on the target since, verification finds it.
func TestTampered(t *testing.T) {
	for name, tamper := range map[string]func(t *testing.T, s *sides){
		"an event is missing": func(t *testing.T, s *sides) { remove(t, s.to, "CRM", 4) },
		"the last is missing": func(t *testing.T, s *sides) { remove(t, s.to, "CRM", 9) },
		"a callback is missing": func(t *testing.T, s *sides) {
			remove(t, s.to, "CRM_QUARANTINE", 1)
		},
		"a callback is another one": func(t *testing.T, s *sides) {
			remove(t, s.to, "CRM_QUARANTINE", 1)
			forged := publish.Copying{Stream: "CRM_QUARANTINE", After: 1, Number: true}.Message(publish.Stored{Subject: "crm-quarantine.acme", Sequence: 1, Data: []byte("2"), At: time.Now()})
			if _, err := s.to.JetStream().PublishMsg(t.Context(), forged); err != nil {
				t.Fatal(err)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t)
			fill(t, s.from, 9)
			put(t, s.from, "crm-quarantine.acme", "q", "1")
			s.complete(t)
			tamper(t, s)
			if parts, err := s.copying(t).Compare(t.Context(), streams()); !errors.Is(err, transfer.ErrDiffers) {
				t.Errorf("%+v, %v", parts, err)
			}
		})
	}
}
