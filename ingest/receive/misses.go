package receive

import (
	"net/http"
	"sync"
	"time"
)

// misses decides which refusals Missed is called for. Each makes the bridge read the CRM, which spends API credits, so
// strangers must not cause many:
//
//   - A callback that is authenticated, and answered with 408, 429, 500 or 503, is reported at once.
//   - One that is refused before its proof could be judged may have been the CRM's. The first is reported at once, all that
//     follow within an hour together at its end.
//   - What is not authenticated is not reported.
type misses struct {
	mu          sync.Mutex
	reported    time.Time // when Missed was last called for what could not be judged
	first, last time.Time // of those that wait for the end of the hour; zero: none does
	timer       *time.Timer
}

// missesEvery is how often Missed is called at most for callbacks whose proof was not judged.
const missesEvery = time.Hour

// note has Missed called for a callback that was lost here.
func (h *Handler) note(r *result) {
	switch {
	case h.Missed == nil:
	case r.authenticated:
		switch r.status {
		case http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusServiceUnavailable:
			h.Missed(r.at)
		}
	case r.turnedAway:
		h.misses.add(r.at, h.Missed)
	}
}

func (m *misses) add(at time.Time, missed func(time.Time)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	wait := missesEvery - time.Since(m.reported)
	if m.first.IsZero() && (m.reported.IsZero() || wait <= 0) {
		m.reported = time.Now()
		missed(at)
		return
	}
	if m.first.IsZero() {
		m.first, m.last = at, at
		m.timer = time.AfterFunc(wait, func() { m.flush(missed) })
	}
	if at.Before(m.first) {
		m.first = at
	}
	if at.After(m.last) {
		m.last = at
	}
}

// flush reports what waits.
func (m *misses) flush(missed func(time.Time)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.first.IsZero() {
		return
	}
	m.timer.Stop()
	missed(m.first)
	missed(m.last)
	m.reported, m.first, m.last = time.Now(), time.Time{}, time.Time{}
}
