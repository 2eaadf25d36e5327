package transfer_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go/jetstream"
)

// However many events were erased between others, what takes their place pushes no event out of a target at its limit.
func TestFillersPushNothingOut(t *testing.T) {
	s := open(t)
	fill(t, s.from, 20)
	for range 3000 {
		put(t, s.from, "crm.acme.Leads.edit", "", "erased")
	}
	stream, err := s.from.JetStream().Stream(t.Context(), "CRM")
	if err == nil {
		err = stream.Purge(t.Context(), jetstream.WithPurgeSubject("crm.acme.Leads.edit"))
	}
	if err != nil {
		t.Fatal(err)
	}
	put(t, s.from, "crm.acme.Deals.edit", "", "last")
	if _, err := s.to.JetStream().CreateStream(t.Context(), jetstream.StreamConfig{Name: "CRM", Subjects: []string{"crm.>"}, MaxBytes: 200 << 10}); err != nil {
		t.Fatal(err)
	}
	s.complete(t)
	if diff := cmp.Diff(held(t, s.from, "CRM"), held(t, s.to, "CRM")); diff != "" {
		t.Error(diff)
	}
}
