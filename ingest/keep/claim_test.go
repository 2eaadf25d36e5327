package keep

import (
	"context"
	"github.com/crm-bridge/crm-bridge/ingest"
	"testing"
	"testing/synctest"
	"time"
)

// shelf is a store with one value.
type shelf struct {
	value    []byte
	revision uint64
}

func (s *shelf) Load(context.Context, string) ([]byte, uint64, error) {
	return s.value, s.revision, nil
}

func (s *shelf) Save(_ context.Context, _ string, value []byte, revision uint64) (uint64, error) {
	if revision != s.revision {
		return 0, ingest.ErrConflict
	}
	s.value, s.revision = value, revision+1
	return s.revision, nil
}

// Who stood still for longer than a claim lives has lost it to whoever took it over, and does not take it back while that one
// renews it; nor does it release what it no longer holds.
func TestLostClaimStaysLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &shelf{}
		one, two := &claim{store: store, owner: "one"}, &claim{store: store, owner: "two"}
		hold := func(c *claim, want bool, when string) {
			t.Helper()
			if held, err := c.hold(t.Context()); held != want || err != nil {
				t.Errorf("%s: held by %s: %t, %v", when, c.owner, held, err)
			}
		}
		hold(one, true, "at first")
		hold(two, false, "while it is held")
		time.Sleep(claimLife + time.Second)
		hold(two, true, "after nobody renewed it")
		for range 4 {
			hold(one, false, "after it was lost")
			time.Sleep(claimLife / 2)
			hold(two, true, "when it is renewed")
		}
		if err := one.release(t.Context()); err != nil || string(store.value) != "two" {
			t.Errorf("released by who had lost it: %q, %v", store.value, err)
		}
		if err := two.release(t.Context()); err != nil {
			t.Error(err)
		}
		hold(one, true, "at once after a release")
		time.Sleep(claimLife + time.Second)
		hold(two, false, "before it was seen unchanged for long enough")
		time.Sleep(claimLife + time.Second)
		hold(two, true, "after nobody renewed it again")
		if err := one.release(t.Context()); err != nil || string(store.value) != "two" {
			t.Errorf("released by who does not know that it is lost: %q, %v", store.value, err)
		}
	})
}
