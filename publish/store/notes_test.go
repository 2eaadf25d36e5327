package store

import (
	"strings"
	"testing"
	"time"
)

// A journal is named when its bridge ended and did not see it empty, and not while its bridge runs.
func TestJournalNotes(t *testing.T) {
	for _, test := range []struct {
		name string
		note journalNote
		ago  time.Duration
		says string // empty: nothing
	}{
		{"ended in order, empty", journalNote{Closed: true}, 30 * 24 * time.Hour, ""},
		{"ended in order, not empty", journalNote{Closed: true, Pending: 3}, time.Second, "holds events (3)"},
		{"runs", journalNote{Pending: 3}, 2 * noteEvery, ""},
		{"ended otherwise", journalNote{Pending: 3}, noteOld + time.Second, "(3 when"},
		{"ended while the remote was unreachable", journalNote{}, noteOld + time.Second, "may hold events"},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.note.Host, test.note.Folder = "host-1", "/data"
			got := test.note.waits(test.ago)
			if test.says == "" && got != "" || !strings.Contains(got, test.says) {
				t.Errorf("it says %q", got)
			}
			if got != "" && (!strings.Contains(got, "host-1") || !strings.Contains(got, "/data") || !strings.Contains(got, "BRIDGE_DELIVERY=journal")) {
				t.Errorf("it says neither where nor what to do: %q", got)
			}
		})
	}
}
