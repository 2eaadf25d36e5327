package main

import (
	"testing"

	"github.com/crm-bridge/crm-bridge/publish/replay"
)

// A job says each thing in which it differs, and the order of subjects does not count.
func TestJobDiffers(t *testing.T) {
	was := replay.Request{Stream: "CRM", Subjects: []string{"crm.a", "crm.b"}, Since: "36h", Target: "subject"}
	now := was
	now.Subjects = []string{"crm.b", "crm.a"}
	if differs := differences(was, now); differs != "" {
		t.Errorf("the same differs: %s", differs)
	}
	now.Since, now.From, now.Origin = "35h", 7, "live"
	if differs := differences(was, now); differs != "--since was 36h, now 35h; --from-sequence was not given, now 7; --origin was not given, now live" {
		t.Error(differs)
	}
}
