package keep

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
)

// Who stood still for longer than a claim lives has lost it to whoever took it over, and does not take it back while that one
// renews it; nor does it release what it no longer holds.
func TestLostClaimStaysLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		store := &ingest.Memory{}
		one, two := &claim{store: store, key: "claim", owner: "one"}, &claim{store: store, key: "claim", owner: "two"}
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
		if err := one.release(t.Context()); err != nil || store.All()["claim"] != "two" {
			t.Errorf("released by who had lost it: %q, %v", store.All()["claim"], err)
		}
		if err := two.release(t.Context()); err != nil {
			t.Error(err)
		}
		hold(one, true, "at once after a release")
		time.Sleep(claimLife + time.Second)
		hold(two, false, "before it was seen unchanged for long enough")
		time.Sleep(claimLife + time.Second)
		hold(two, true, "after nobody renewed it again")
		if err := one.release(t.Context()); err != nil || store.All()["claim"] != "two" {
			t.Errorf("released by who does not know that it is lost: %q, %v", store.All()["claim"], err)
		}
	})
}
