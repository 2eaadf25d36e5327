// Package retry waits, and tries again. It imports nothing of ours, so that every room can use it.
package retry

import (
	"context"
	"fmt"
	"math/rand/v2"
	"net/http"
	"strconv"
	"time"
)

// Policy says how often a call is attempted, and how long the pauses are: First, then twice as long each time up to Longest,
// each shortened by up to a half at random, so that replicas spread.
type Policy struct {
	Attempts int
	First    time.Duration // 0: a second
	Longest  time.Duration // 0: a minute; also where a server asks for more
}

// Do calls attempt until it succeeds, says that another attempt is in vain, or the attempts are used up, and returns its last
// error. after is the shortest pause before the next attempt. Where ctx leaves no time for a pause Do returns at once.
func (p Policy) Do(ctx context.Context, attempt func() (again bool, after time.Duration, err error)) error {
	for n := 1; ; n++ {
		again, after, err := attempt()
		if err == nil || !again || n >= p.Attempts || ctx.Err() != nil {
			return err
		}
		pause := p.pause(n, after)
		ended := context.DeadlineExceeded
		if end, ok := ctx.Deadline(); !ok || time.Until(end) >= pause {
			ended = Sleep(ctx, pause)
		}
		if ended != nil {
			return fmt.Errorf("%w; no time is left for another attempt: %w", err, ended)
		}
	}
}

// pause is the time to wait after the nth attempt.
func (p Policy) pause(n int, after time.Duration) time.Duration {
	first, longest := p.First, p.Longest
	if first == 0 {
		first = time.Second
	}
	if longest == 0 {
		longest = time.Minute
	}
	grown := min(first<<min(n-1, 20), longest)
	grown -= rand.N(grown/2 + 1) //nolint:gosec // spreads attempts, guards nothing
	return min(max(grown, after), longest)
}

// After reads the header of that name: seconds, or a date, which is compared to the answer's own Date where it has one. It
// returns 0 where the header is absent or unreadable.
func After(header http.Header) time.Duration {
	value := header.Get("Retry-After")
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	now, err := http.ParseTime(header.Get("Date"))
	if err != nil {
		now = time.Now()
	}
	return max(at.Sub(now), 0)
}

// Sleep waits. It returns the cause when ctx ends.
func Sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-timer.C:
		return context.Cause(ctx) // both may have been ready
	}
}
