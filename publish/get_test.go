package publish_test

import (
	"errors"
	"testing"

	"github.com/crm-bridge/crm-bridge/publish"
	"github.com/crm-bridge/crm-bridge/test/publishtest"
)

// One message is read by its sequence; one that the stream does not hold, and a stream that is missing, are named.
func TestGet(t *testing.T) {
	server, conn := publishtest.Open(t, nil)
	fill(t, administrator(t, server), 10, 20)
	if m, err := conn.Get(t.Context(), "CRM", 2); err != nil || m.Subject != "crm.b" || len(m.Data) != 20 || m.At.IsZero() {
		t.Errorf("%+v: %v", m, err)
	}
	if _, err := conn.Get(t.Context(), "CRM", 3); !errors.Is(err, publish.ErrNoMessage) {
		t.Error(err)
	}
	if _, err := conn.Get(t.Context(), "NONE", 1); !errors.As(err, new(publish.MisfitError)) {
		t.Error(err)
	}
}

// How far a consumer is with a message follows from where it stands.
func TestConsumerPosition(t *testing.T) {
	deals := publish.ConsumerPosition{Filters: []string{"crm.*.Deals.>", "crm.zoho.Leads.edit"}, Start: 5, Delivered: 20, AckFloor: 10, Pending: 3}
	for _, test := range []struct {
		subject  string
		sequence uint64
		want     publish.Progress
	}{
		{"crm.zoho.Deals.edit", 4, publish.NotSelected},
		{"crm.zoho.Leads.delete", 6, publish.NotSelected},
		{"crm.zoho.Leads.edit", 6, publish.Acknowledged},
		{"crm.zoho.Deals.edit", 10, publish.Acknowledged},
		{"crm.zoho.Deals.edit", 11, publish.InFlight},
		{"crm.zoho.Deals.edit", 20, publish.InFlight},
		{"crm.zoho.Deals.edit", 21, publish.NotDelivered},
	} {
		if got := deals.Of(test.subject, test.sequence); got != test.want {
			t.Errorf("%s at %d: %s, not %s", test.subject, test.sequence, got, test.want)
		}
	}
	idle := publish.ConsumerPosition{Delivered: 20, AckFloor: 10}
	if got := idle.Of("crm.a", 15); got != publish.Acknowledged {
		t.Errorf("with nothing pending: %s", got)
	}
	if got := (publish.ConsumerPosition{Delivered: 20, NoAcks: true}).Of("crm.a", 15); got != publish.Sent {
		t.Errorf("without acknowledgements: %s", got)
	}
}

// What a person may give as a subject.
func TestIsFilter(t *testing.T) {
	for text, want := range map[string]bool{
		"crm.zoho.Deals.edit": true, "crm.*.Deals.*": true, "crm.>": true, ">": true,
		"": false, ".": false, "crm.": false, "crm..x": false, "crm.> x": false, "crm.>.x": false,
	} {
		if got := publish.IsFilter(text); got != want {
			t.Errorf("%q: %t", text, got)
		}
	}
}
