package receive_test

import (
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus/testutil"
)

// What came of callbacks is remembered: when the last authenticated one came, how many of each outcome, and the last rejection of each.
func TestSeen(t *testing.T) {
	b := open(nil)
	began := time.Now()
	for _, body := range []string{"ok", "ok", "malformed", "forged", "forged", "forged"} {
		b.post(body)
	}
	all := b.Metrics.Seen()
	if len(all) != 1 {
		t.Fatalf("seen: %+v", all)
	}
	seen := all[0]
	if seen.Source != "plain" || seen.Last.Before(began) || seen.Outcomes["accepted"] != 2 || seen.Outcomes["malformed"] != 1 || seen.Outcomes["forged"] != 3 || seen.Forged != 3 {
		t.Errorf("seen: %+v", seen)
	}
	if len(seen.Rejections) != 2 || seen.Rejections[0].Outcome != "forged" || seen.Rejections[0].Status != 401 || seen.Rejections[0].Why != "not authenticated" || seen.Rejections[1].Outcome != "malformed" {
		t.Errorf("rejections: %+v", seen.Rejections)
	}
	b.post("ok")
	if seen := b.Metrics.Seen()[0]; seen.Forged != 0 {
		t.Errorf("%d in a row are forged after one that was authenticated", seen.Forged)
	}
}

// A callback that is not authenticated, which anyone can send, does not show a source as alive.
func TestLastCallbackIsAuthenticated(t *testing.T) {
	b := open(nil)
	b.post("forged")
	if n := testutil.CollectAndCount(b.registry, "crm_bridge_last_callback_timestamp_seconds"); n != 0 {
		t.Errorf("%d sources are alive", n)
	}
	b.post("malformed") // but authenticated
	if n := testutil.CollectAndCount(b.registry, "crm_bridge_last_callback_timestamp_seconds"); n != 1 {
		t.Errorf("%d sources are alive", n)
	}
}
