package publish_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/crm-bridge/crm-bridge/publish"
	"github.com/crm-bridge/crm-bridge/test/publishtest"
)

// What a stream holds is known by its repeatable ids, of one module, within bounds, and only as many as fit the memory that is
// meant for it.
func TestHeldIsBounded(t *testing.T) {
	_, conn := publishtest.Open(t, nil)
	publisher := &publish.Publisher{Conn: conn, Stream: "CRM", Prefix: "crm", AllIDs: true, Metrics: publishtest.Metrics()}
	const fresh = "0198c1f0-0000-7000-8000-000000000000"
	ids := []string{fresh}
	for i := range 30 {
		ids = append(ids, fmt.Sprint("id-", i))
	}
	for _, id := range ids {
		if _, err := publisher.Publish(t.Context(), publish.Event{Event: publishtest.Event(id)}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := publisher.Held(t.Context(), "crm.acme.Deals.*", publish.Bounds{}, 29); !errors.Is(err, publish.ErrTooManyHeld) {
		t.Errorf("beyond the limit: %v", err)
	}
	for _, limit := range []int{0, 30} {
		held, err := publisher.Held(t.Context(), "crm.acme.Deals.*", publish.Bounds{Since: time.Now().Add(-time.Hour)}, limit)
		if err != nil || held.Has(fresh) {
			t.Fatalf("a fresh id is held: %v", err)
		}
		for _, id := range ids[1:] {
			if !held.Has(id) || held.Has(id+"x") {
				t.Errorf("%s: %t", id, held.Has(id))
			}
		}
	}
	behind, err := publisher.Held(t.Context(), "crm.acme.>", publish.Bounds{From: 12}, 0)
	if err != nil || behind.Has("id-9") || !behind.Has("id-10") || !behind.Has("id-29") {
		t.Errorf("behind a sequence: %t %t %t, %v", behind.Has("id-9"), behind.Has("id-10"), behind.Has("id-29"), err)
	}
	for subject, bounds := range map[string]publish.Bounds{"crm.acme.Contacts.*": {}, "crm.acme.Deals.edit": {Since: time.Now().Add(time.Hour)}} {
		held, err := publisher.Held(t.Context(), subject, bounds, 30)
		for _, id := range ids {
			if err != nil || held.Has(id) {
				t.Fatalf("%s holds %s: %v", subject, id, err)
			}
		}
	}
}
