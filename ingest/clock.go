package ingest

import (
	"net/http"
	"sync"
	"time"
)

// Clock is the time at a CRM, as the Date of its answers shows it. The zero value is a clock that no answer has shown yet: it
// shows our own time.
type Clock struct {
	mu       sync.Mutex
	answered bool          // an answer has come, with a Date or without
	dated    bool          // one had a Date
	ahead    time.Duration // of our clock
	within   time.Duration // the error of ahead at most
}

// ClocksDiffer is by how much the clock of a CRM may differ from ours where its answers have no Date.
const ClocksDiffer = 5 * time.Minute

// Observe reads the Date of an answer to a request that was sent and answered at these moments by our clock. A measurement
// that is less exact than the last one, and does not contradict it, is ignored.
func (c *Clock) Observe(header http.Header, sent, answered time.Time) {
	date, err := http.ParseTime(header.Get("Date"))
	c.mu.Lock()
	defer c.mu.Unlock()
	c.answered = true
	if err != nil {
		return
	}
	took := answered.Sub(sent)
	within := took/2 + time.Second/2 // Date has whole seconds
	ahead := date.Add(time.Second / 2).Sub(sent.Add(took / 2))
	if c.dated && within > c.within && (ahead-c.ahead).Abs() <= within+c.within {
		return
	}
	c.dated, c.ahead, c.within = true, ahead, within
}

// Known reports whether the CRM has answered at all: if not, it is unknown whether its answers have a Date.
func (c *Clock) Known() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.answered
}

// Now returns the CRM's time, UTC.
func (c *Clock) Now() time.Time { return c.At(time.Now()) }

// At returns what the CRM's clock showed at a moment of ours, UTC.
func (c *Clock) At(ours time.Time) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return ours.Add(c.ahead).UTC()
}

// Tolerance is by how much Now may be wrong: about a second and half of what an answer took, or ClocksDiffer where no answer had
// a Date.
func (c *Clock) Tolerance() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.dated {
		return ClocksDiffer
	}
	return c.within + time.Second/2
}

// slowCallback is how long after a change the CRM may still be about to send its callback: a change before a gap whose callback
// fell into it is one of the gap.
const slowCallback = 5 * time.Minute

// Gap returns the gap of a module between two moments of the CRM's clock, widened by what that clock may be wrong, and at its
// beginning by the time that a callback may take.
func (c *Clock) Gap(account, module string, since, until time.Time) Gap {
	tolerance := c.Tolerance()
	return Gap{Account: account, Module: module, Since: since.Add(-slowCallback - tolerance).UTC(), Until: until.Add(tolerance).UTC()}
}
