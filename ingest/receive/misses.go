package receive

import (
	"net/http"
	"slices"
	"sync"
	"time"
)

// misses decides which refusals Missed is called for. Each makes the bridge read the CRM, which spends API credits, so
// others must not be able to cause many:
//
//   - A callback that is authenticated, and answered with 408, 429, 500 or 503, is reported at once.
//   - One that is refused before it could be verified may have been the CRM's. The first is reported at once, all that follow within an
//     hour together at its end.
//   - One that is not authenticated is not reported.
type misses struct {
	mu sync.Mutex
	of map[string]*unverified // by CRM.Key
}

// unverified are the callbacks of an org that were refused before they could be verified.
type unverified struct {
	reported    time.Time // when Missed was last called for them
	first, last time.Time // of those that wait for the end of the hour; zero: none
	timer       *time.Timer
}

// missesEvery is how often Missed is called at most for callbacks that were not verified.
const missesEvery = time.Hour

// note has Missed called for a refused callback that the CRM may not repeat.
func (h *Handler) note(r *result) {
	switch {
	case h.Missed == nil:
	case r.authenticated:
		switch r.status {
		case http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusServiceUnavailable:
			for _, account := range r.accounts() {
				h.Missed(r.orgs.keyOf(r.org), account, r.at)
			}
		}
	case r.turnedAway:
		for _, one := range r.orgs.of { // it may be of any
			h.misses.add(r.orgs.keyOf(one), r.at, h.missedByAny)
		}
	}
}

// missedByAny calls Missed for all accounts of a CRM.
func (h *Handler) missedByAny(key string, at time.Time) { h.Missed(key, "", at) }

// accounts returns whose changes a callback reports: an empty one if it is not decoded.
func (r *result) accounts() []string {
	var all []string
	for _, change := range r.changes {
		if !slices.Contains(all, change.Account) {
			all = append(all, change.Account)
		}
	}
	if all == nil {
		all = []string{""}
	}
	return all
}

func (m *misses) add(key string, at time.Time, missed func(string, time.Time)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.of == nil {
		m.of = map[string]*unverified{}
	}
	u := m.of[key]
	if u == nil {
		u = &unverified{}
		m.of[key] = u
	}
	wait := missesEvery - time.Since(u.reported)
	if u.first.IsZero() && (u.reported.IsZero() || wait <= 0) {
		u.reported = time.Now()
		missed(key, at)
		return
	}
	if u.first.IsZero() {
		u.first, u.last = at, at
		u.timer = time.AfterFunc(wait, func() {
			m.mu.Lock()
			defer m.mu.Unlock()
			u.report(key, missed)
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
	for key, u := range m.of {
		u.report(key, missed)
	}
}

// report has Missed called for those that wait.
func (u *unverified) report(key string, missed func(string, time.Time)) {
	if u.first.IsZero() {
		return
	}
	u.timer.Stop()
	missed(key, u.first)
	missed(key, u.last)
	u.reported, u.first, u.last = time.Now(), time.Time{}, time.Time{}
}
