package records_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/crm-bridge/crm-bridge/publish/records"
)

// Who looks a record up finds its states in their order, in which accounts it has some, and which modules are kept.
func TestLookUp(t *testing.T) {
	h := open(t, 64)
	look := &records.States{Conn: h.conn, Stream: "CRM", Table: "CRM_RECORDS", Prefix: "crm"}
	if modules, err := look.Modules(t.Context(), "acme"); err != nil || modules != nil {
		t.Errorf("before a bridge has run: %q, %v", modules, err)
	}
	h.keep()
	h.ready()
	const states = 4
	for n := range states {
		h.tell(change{id: "a/b", operation: "edit", at: h.set("a/b", fmt.Sprint(n))})
		h.settled()
		h.tell(change{id: "2", operation: "edit", at: h.set("2", fmt.Sprint(n))})
	}
	if modules, err := look.Modules(t.Context(), "acme"); err != nil || !slices.Equal(modules, []string{"Deals"}) {
		t.Errorf("modules: %q, %v", modules, err)
	}
	key := records.Key{Provider: "acme", Account: "org", Module: "Deals", ID: "a/b"}
	history, err := look.History(t.Context(), key)
	if err != nil || len(history) != states {
		t.Fatalf("%d states: %v", len(history), err)
	}
	for n, state := range history {
		e, err := state.Event()
		if err != nil || e.Subject() != "a/b" || n > 0 && state.Sequence <= history[n-1].Sequence || state.At.IsZero() {
			t.Errorf("state %d: %+v, %v", n, state, err)
		}
	}
	other := key
	other.Account = "ä.b"
	if _, err := h.js.PublishMsg(t.Context(), &nats.Msg{Subject: records.Subject("crm", other), Data: []byte(`{}`)}); err != nil {
		t.Fatal(err)
	}
	if accounts, err := look.Accounts(t.Context(), key); err != nil || !slices.Equal(accounts, []string{"org", "ä.b"}) {
		t.Errorf("accounts: %q, %v", accounts, err)
	}
	key.ID = "3"
	history, err = look.History(t.Context(), key)
	if err != nil || history != nil {
		t.Errorf("a record without states has %d: %v", len(history), err)
	}
	if accounts, err := look.Accounts(t.Context(), key); err != nil || accounts != nil {
		t.Errorf("accounts: %q, %v", accounts, err)
	}
	look.Table = "CRM_OTHER"
	if accounts, err := look.Accounts(t.Context(), key); err != nil || accounts != nil {
		t.Errorf("accounts in a stream that does not exist: %q, %v", accounts, err)
	}
}

// A history that does not fit a page is read whole.
func TestLookUpLargeStates(t *testing.T) {
	h := open(t, 64)
	key := records.Key{Provider: "acme", Account: "org", Module: "Deals", ID: "1"}
	for range 5 {
		if _, err := h.js.PublishMsg(t.Context(), &nats.Msg{Subject: records.Subject("crm", key), Data: make([]byte, 700<<10)}); err != nil {
			t.Fatal(err)
		}
	}
	look := &records.States{Conn: h.conn, Stream: "CRM", Table: "CRM_RECORDS", Prefix: "crm"}
	if history, err := look.History(t.Context(), key); err != nil || len(history) != 5 {
		t.Errorf("%d states: %v", len(history), err)
	}
}
