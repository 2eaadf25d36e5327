package bridge

import (
	"testing"

	"github.com/crm-bridge/crm-bridge/ingest"
)

// A state that is not opened is an error for who asks it, and once it is opened it is what was opened.
func TestDeferredState(t *testing.T) {
	var deferred DeferredState
	state := deferred.State()
	for _, store := range []ingest.Store{state.Shared, state.Secret} {
		if _, _, err := store.Load(t.Context(), "key"); err == nil {
			t.Error("loaded from nowhere")
		}
		if _, err := store.Save(t.Context(), "key", nil, 0); err == nil {
			t.Error("saved to nowhere")
		}
	}
	shared, secret := &ingest.Memory{}, &ingest.Memory{}
	deferred.Open(ingest.State{Shared: shared, Secret: secret})
	for store, behind := range map[ingest.Store]*ingest.Memory{state.Shared: shared, state.Secret: secret} {
		if _, err := store.Save(t.Context(), "key", []byte("value"), 0); err != nil || behind.All()["key"] != "value" {
			t.Errorf("%v, %v", behind.All(), err)
		}
		if value, _, err := store.Load(t.Context(), "key"); err != nil || string(value) != "value" {
			t.Errorf("%q, %v", value, err)
		}
	}
}
