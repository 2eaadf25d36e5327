package bitrix24

import (
	"errors"
	"fmt"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/rest"
)

// portal is what this process knows of a portal.
type portal struct {
	bucket *rate.Limiter
	token  *rest.Token[credentials]
	clock  ingest.Clock // as its answers showed it

	mu     sync.Mutex
	moved  time.Time     // when its new address was last asked for
	since  time.Time     // when it first did not answer; zero: it answers
	until  time.Time     // it is not called before
	pause  time.Duration // before until
	silent error         // why it is not called
}

// How long a portal that did not answer is not called. Each pause is twice the one before.
const (
	silentFor  = 20 * time.Second // without an answer, until the first pause
	firstPause = 30 * time.Second
	lastPause  = 15 * time.Minute
)

// errSilent says that a portal is not called now, because it did not answer. Without that, one portal that is down would hold up every
// turn for as long as its calls may take.
var errSilent = errors.New("it did not answer, and is called again later")

// mayCall returns why the portal is not called now; nil if it is.
func (p *portal) mayCall() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if time.Now().Before(p.until) {
		return fmt.Errorf("%w: %w", errSilent, p.silent)
	}
	return nil
}

// isSilent reports whether the portal has not answered for a while, whether or not it is called now.
func (p *portal) isSilent() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.pause > 0
}

// heard notes that a portal answered an attempt that began at a moment, or with an error that it did not.
func (p *portal) heard(began time.Time, silent error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if silent == nil {
		p.since, p.until, p.pause, p.silent = time.Time{}, time.Time{}, 0, nil
		return
	}
	if p.since.IsZero() {
		p.since = began
	}
	if now := time.Now(); now.Sub(p.since) < silentFor || now.Before(p.until) {
		return
	}
	p.pause = min(max(firstPause, 2*p.pause), lastPause)
	p.until, p.silent = time.Now().Add(p.pause), silent
}

// hasMoved reports, at most once an hour, whether a portal answered with a redirect: its new address comes with new tokens
// (settings/how-to-call-rest-api/change-domen.md) and is never taken from the redirect.
func (p *portal) hasMoved(err error) bool {
	var refusal *apiError
	if !errors.As(err, &refusal) || refusal.Status < 300 || refusal.Status > 399 {
		return false
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if time.Since(p.moved) < time.Hour {
		return false
	}
	p.moved = time.Now()
	return true
}
