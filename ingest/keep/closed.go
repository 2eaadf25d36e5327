package keep

import (
	"slices"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
)

// closed is a gap that was read from the CRM, or that nothing can read from it.
type closed struct {
	ingest.Gap
	Why        string    // callbacks were missed
	Noted      time.Time `json:",omitzero"`
	At         time.Time // when it was closed
	Made       int       // records made safe
	Unrepaired string    `json:",omitempty"` // why it cannot be read; empty: it was
}

// maxClosed bounds the closed gaps that a shard remembers, and closedFor is how long it does. Those that were repaired are forgotten first.
const (
	maxClosed = 20
	closedFor = 7 * 24 * time.Hour
)

// closedGaps are those that a shard remembers.
type closedGaps []closed

// add remembers a closed gap, the newest first. It reports whether it was not remembered before: a CRM's package may note a gap again.
func (c *closedGaps) add(one closed) bool {
	if slices.ContainsFunc(*c, one.is) {
		return false
	}
	*c = append(closedGaps{one}, slices.DeleteFunc(*c, func(other closed) bool { return one.At.Sub(other.At) > closedFor })...)
	for len(*c) > maxClosed {
		last := len(*c) - 1
		for i := last; i > 0; i-- {
			if (*c)[i].Unrepaired == "" {
				last = i
				break
			}
		}
		*c = slices.Delete(*c, last, last+1)
	}
	return true
}

// is reports whether two closed gaps are one.
func (c closed) is(other closed) bool {
	return c.Account == other.Account && c.Module == other.Module && c.Since.Equal(other.Since) && c.Until.Equal(other.Until)
}
