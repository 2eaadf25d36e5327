package bitrix24

import (
	"encoding/json"
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
	turns  rest.Turns   // of calls for records

	mu     sync.Mutex
	moved  time.Time            // when its new address was last asked for
	since  time.Time            // when it first did not answer; zero: it answers
	until  time.Time            // it is not called before
	pause  time.Duration        // before until
	silent error                // why it is not called
	spent  map[string]time.Time // until when the limit of a method lasts
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

// A method may work for 480 seconds in ten minutes (settings/performance/limits.md). Before that is used up, it is not called any more.
const (
	operatingSpan = 10 * time.Minute
	operatingMost = 450 // seconds
)

// observe notes how long a method has worked, as an answer says it: the time of its call.
func (p *portal) observe(method string, raw json.RawMessage) {
	var used struct {
		Operating float64 `json:"operating"`
		ResetAt   int64   `json:"operating_reset_at"` // seconds since 1970, by the portal's clock
	}
	if json.Unmarshal(raw, &used) != nil || used.Operating < operatingMost {
		return
	}
	wait := time.Unix(used.ResetAt, 0).Sub(p.clock.Now())
	p.spend(method, time.Now().Add(min(max(wait, time.Second), operatingSpan)))
}

// spend notes until when the limit of a method lasts.
func (p *portal) spend(method string, until time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.spent == nil {
		p.spent = map[string]time.Time{}
	}
	p.spent[method] = until
}

// spentUntil returns until when the limit of a method lasts; a time that is past: it was not reached.
func (p *portal) spentUntil(method string) time.Time {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.spent[method]
}
