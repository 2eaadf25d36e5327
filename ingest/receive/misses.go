package receive

import (
	"net/http"
	"strings"
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
	mu sync.Mutex
	of map[string]*unjudged // by provider
}

// unjudged are the callbacks of a provider that were refused before their proof could be judged.
type unjudged struct {
	reported    time.Time // when Missed was last called for them
	first, last time.Time // of those that wait for the end of the hour; zero: none does
	timer       *time.Timer
}

// missesEvery is how often Missed is called at most for callbacks whose proof was not judged.
const missesEvery = time.Hour

// note has Missed called for a callback that was lost here.
func (h *Handler) note(r *result) {
	provider, _, _ := strings.Cut(r.source, "-")
	switch {
	case h.Missed == nil:
	case r.authenticated:
		switch r.status {
		case http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusServiceUnavailable:
			h.Missed(provider, r.at)
		}
	case r.turnedAway:
		h.misses.add(provider, r.at, h.Missed)
	}
}

func (m *misses) add(provider string, at time.Time, missed func(string, time.Time)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.of == nil {
		m.of = map[string]*unjudged{}
	}
	u := m.of[provider]
	if u == nil {
		u = &unjudged{}
		m.of[provider] = u
	}
	wait := missesEvery - time.Since(u.reported)
	if u.first.IsZero() && (u.reported.IsZero() || wait <= 0) {
		u.reported = time.Now()
		missed(provider, at)
		return
	}
	if u.first.IsZero() {
		u.first, u.last = at, at
		u.timer = time.AfterFunc(wait, func() {
			m.mu.Lock()
			defer m.mu.Unlock()
			u.report(provider, missed)
		})
	}
	if at.Before(u.first) {
		u.first = at
	}
	if at.After(u.last) {
		u.last = at
	}
}

// flush reports what waits.
func (m *misses) flush(missed func(string, time.Time)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for provider, u := range m.of {
		u.report(provider, missed)
	}
}

// report has Missed called for those that wait.
func (u *unjudged) report(provider string, missed func(string, time.Time)) {
	if u.first.IsZero() {
		return
	}
	u.timer.Stop()
	missed(provider, u.first)
	missed(provider, u.last)
	u.reported, u.first, u.last = time.Now(), time.Time{}, time.Time{}
}
