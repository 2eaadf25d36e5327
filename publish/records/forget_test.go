package records_test

import (
	"testing"
	"time"

	"github.com/crm-bridge/crm-bridge/publish/records"
	"github.com/crm-bridge/crm-bridge/schemas"
)

// Of a forgotten record no state is written from events of before, however long its read takes; of a later event, and of other records,
// they are.
func TestForget(t *testing.T) {
	h := open(t, 1)
	k, _ := h.keep()
	h.ready()
	h.mu.Lock()
	h.delay = 500 * time.Millisecond
	h.mu.Unlock()
	for _, id := range []string{"7", "8"} {
		h.tell(change{id: id, operation: schemas.Edit, at: h.set(id, "new")})
	}
	h.until("the records are read", func() bool {
		h.mu.Lock()
		defer h.mu.Unlock()
		return h.reads > 0
	})
	k.Forget(records.Key{Provider: "acme", Module: "Deals", ID: "7"}, uint64(h.sent))
	h.settled()
	if states := h.states(); len(states["7"]) != 0 || len(states["8"]) != 1 {
		t.Fatalf("the states are %v", states)
	}
	h.tell(change{id: "7", operation: schemas.Edit, at: h.set("7", "later")})
	h.settled()
	if states := h.states(); len(states["7"]) != 1 {
		t.Errorf("after a later event the states are %v", states)
	}
}
