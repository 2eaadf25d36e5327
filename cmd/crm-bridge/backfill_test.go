package main

import (
	"testing"
	"time"
)

// A backfill reads whole seconds, the one in which it begins among them: else what changed in it before a channel was enabled would
// be in no event. One that ends at a time ends before it; the zero time stands for now.
func TestPeriodOfABackfill(t *testing.T) {
	now := time.Date(2026, 11, 30, 12, 0, 5, 300_000_000, time.UTC)
	for _, c := range []struct{ since, until, from, to string }{
		{"1h", "", "2026-11-30T11:00:05Z", "0001-01-01T00:00:00Z"},
		{"1h", "0s", "2026-11-30T11:00:05Z", "0001-01-01T00:00:00Z"},
		{"0s", "", "2026-11-30T12:00:05Z", "0001-01-01T00:00:00Z"},
		{"2026-11-30", "2027-01-01", "2026-11-30T00:00:00Z", "0001-01-01T00:00:00Z"},
		{"2026-11-29", "2026-11-30", "2026-11-29T00:00:00Z", "2026-11-30T00:00:00Z"},
		{"2026-11-30T12:00:00+01:00", "2026-11-30T12:00:05Z", "2026-11-30T11:00:00Z", "2026-11-30T12:00:05Z"},
	} {
		p, err := parsePeriod(c.since, c.until, now)
		if from, to := p.Since.Format(time.RFC3339Nano), p.Until.Format(time.RFC3339Nano); err != nil || from != c.from || to != c.to {
			t.Errorf("since %s until %q: from %s to %s, %v", c.since, c.until, from, to, err)
		}
	}
	for _, c := range []struct{ since, until string }{{"2026-12-01", ""}, {"2026-11-30", "2026-11-30"}, {"2026-11-30", "2026-11-29"}} {
		if p, err := parsePeriod(c.since, c.until, now); err == nil {
			t.Errorf("since %s until %q: %v", c.since, c.until, p)
		}
	}
}
