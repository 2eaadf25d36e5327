package bitrix24

import (
	"errors"
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

	mu    sync.Mutex
	moved time.Time // when its new address was last asked for
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
