package bridge

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/status"
)

// sharedFor is how old a report may be that pages share.
const sharedFor = time.Second

// sharedReports makes one report for all who ask at the same time, and for the pages that ask within sharedFor: each browser asks every few
// seconds, and a report asks NATS and reads all gaps.
type sharedReports struct {
	reporter *reporter

	making sync.Mutex // held while a report is made
	last   status.Report
	began  time.Time // when last was begun
	ended  time.Time // when last was made

	mu      sync.Mutex
	changed time.Time // when a person last changed something
}

// routes returns what the command requests.
func (p *sharedReports) routes() map[string]http.HandlerFunc {
	return map[string]http.HandlerFunc{
		"GET /status": func(w http.ResponseWriter, r *http.Request) {
			writeJSON(w, http.StatusOK, p.since(r.Context(), time.Now()))
		},
	}
}

// recent returns a report that is at most sharedFor old, and knows what was changed by hand.
func (p *sharedReports) recent(ctx context.Context) status.Report {
	p.mu.Lock()
	changed := p.changed
	p.mu.Unlock()
	p.making.Lock()
	defer p.making.Unlock()
	if p.began.After(changed) && time.Since(p.ended) < sharedFor {
		return p.last
	}
	return p.make(ctx)
}

// since returns a report that was begun at a time or later.
func (p *sharedReports) since(ctx context.Context, at time.Time) status.Report {
	p.making.Lock()
	defer p.making.Unlock()
	if p.began.Before(at) {
		return p.make(ctx)
	}
	return p.last
}

// make makes a report for all who wait for it: it does not end when the first of them goes away.
func (p *sharedReports) make(ctx context.Context) status.Report {
	p.began = time.Now()
	p.last = p.reporter.report(context.WithoutCancel(ctx))
	p.ended = time.Now()
	return p.last
}

// afterChanges has reports be made again for, and after, each request that may change something.
func (p *sharedReports) afterChanges(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Method != http.MethodGet && r.Method != http.MethodHead {
			p.change()
			defer p.change()
		}
		next.ServeHTTP(w, r)
	})
}

func (p *sharedReports) change() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.changed = time.Now()
}
