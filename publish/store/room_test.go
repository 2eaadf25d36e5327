package store

import (
	"strings"
	"testing"

	"github.com/crm-bridge/crm-bridge/publish"
)

// The defaults of all streams that stand on one disk leave a fifth of it free.
func TestDefaultsLeaveAFifthOfTheDisk(t *testing.T) {
	total := 0.0
	for _, stream := range []Room{eventsRoom, quarantineRoom, recordsRoom, ReplayRoom, stateRoom, lettersRoom} {
		total += stream.ofDisk
	}
	if total > 0.8001 {
		t.Errorf("they take %.2f of the disk", total)
	}
	dir := t.TempDir()
	if got, free := quarantineRoom.On(dir, true)(), freeBytes(dir); got > free/50 || got > 256<<20 {
		t.Errorf("quarantine takes %d of %d", got, free)
	}
	if got := quarantineRoom.On(dir, false)(); got != 64<<20 {
		t.Errorf("quarantine takes %d of a remote NATS", got)
	}
}

// A limit beyond the disk is warned about with both figures; what the stream holds already counts as room.
func TestLimitBeyondTheDiskIsSaid(t *testing.T) {
	stream := publish.Stream{Name: "CRM_JOURNAL", MaxBytes: 10 << 30, Bytes: 1 << 30}
	if got := beyondDisk(stream, "BRIDGE_JOURNAL_MAX_BYTES", 9<<30, "/data"); got != "" {
		t.Errorf("it fits, and is warned about: %s", got)
	}
	got := beyondDisk(stream, "BRIDGE_JOURNAL_MAX_BYTES", 3<<29, "/data")
	for _, part := range []string{"CRM_JOURNAL", "BRIDGE_JOURNAL_MAX_BYTES", "10GiB", "2.5GiB", "/data"} {
		if !strings.Contains(got, part) {
			t.Errorf("%q does not say %s", got, part)
		}
	}
}
