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

// close remembers a closed gap, the newest first. It reports whether it was not remembered before: a CRM's package may note a gap again.
func (r *repairs) close(one closed) bool {
	if slices.ContainsFunc(r.Closed, one.is) {
		return false
	}
	r.Closed = append([]closed{one}, slices.DeleteFunc(r.Closed, func(other closed) bool { return one.At.Sub(other.At) > closedFor })...)
	for len(r.Closed) > maxClosed {
		last := len(r.Closed) - 1
		for i := last; i > 0; i-- {
			if r.Closed[i].Unrepaired == "" {
				last = i
				break
			}
		}
		r.Closed = slices.Delete(r.Closed, last, last+1)
	}
	return true
}

// is reports whether two closed gaps are one.
func (c closed) is(other closed) bool {
	return c.Account == other.Account && c.Module == other.Module && c.Since.Equal(other.Since) && c.Until.Equal(other.Until)
}

// closedAs returns a job as a closed gap.
func (j job) closedAs(unrepaired string) closed {
	return closed{Gap: j.Gap, Why: j.Why, Noted: j.Noted, At: time.Now().UTC(), Made: j.Made, Unrepaired: unrepaired}
}
