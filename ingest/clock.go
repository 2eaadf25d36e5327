package ingest

import (
	"net/http"
	"sync"
	"time"
)

// Clock is the clock of a CRM, measured by the Date header of its responses. The zero value, before the first response, shows our own
// time.
type Clock struct {
	mu       sync.Mutex
	answered bool          // a response has come, with or without a Date
	dated    bool          // a response had a Date
	ahead    time.Duration // offset from our clock
	within   time.Duration // maximum error of ahead
}

// maxOffset is the assumed maximum difference between a CRM's clock and ours if its responses have no Date.
const maxOffset = 5 * time.Minute

// Observe reads the Date of a response to a request that was sent and answered at these times by our clock. A measurement that is less
// exact than the last one, and does not contradict it, is ignored.
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

// Known reports whether the CRM has responded at all: before that it is unknown whether its responses have a Date.
func (c *Clock) Known() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.answered
}

// Now returns the CRM's time, UTC.
func (c *Clock) Now() time.Time { return c.At(time.Now()) }

// At converts a time of our clock to the CRM's clock, UTC.
func (c *Clock) At(ours time.Time) time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return ours.Add(c.ahead).UTC()
}

// Ahead returns how far the CRM's clock is ahead of ours; ok is false as long as no response had a Date.
func (c *Clock) Ahead() (ahead time.Duration, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.ahead, c.dated
}

// Tolerance returns the maximum error of Now: about a second and half of a response time, or five minutes if no response had a Date.
func (c *Clock) Tolerance() time.Duration {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.dated {
		return maxOffset
	}
	return c.within + time.Second/2
}

// slowCallback is how long after a change the CRM may send its callback: a change shortly before a gap may have its callback in the gap.
const slowCallback = 5 * time.Minute

// Gap returns the gap of a module between two times of the CRM's clock, widened by Tolerance, and at its beginning also by the delay of
// a callback.
func (c *Clock) Gap(account, module string, since, until time.Time) Gap {
	tolerance := c.Tolerance()
	return Gap{Account: account, Module: module, Since: since.Add(-slowCallback - tolerance).UTC(), Until: until.Add(tolerance).UTC()}
}
