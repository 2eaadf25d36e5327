package bitrix24

import (
	"context"
	"errors"
	"log/slog"
	"time"

	"golang.org/x/time/rate"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/rest"
)

// portal is what this process knows of a portal beside its credentials.
type portal struct {
	bucket *rate.Limiter
	token  *rest.Token[credentials]
	moved  time.Time // when its new address was last asked for
	clock  *ingest.Clock
}

// of returns what this process knows of a portal. The lock is held.
func (c *Client) of(member string) *portal {
	if c.portals == nil {
		c.portals = map[string]*portal{}
	}
	p, ok := c.portals[member]
	if !ok {
		perSecond := c.Rate
		if perSecond == 0 {
			perSecond = 2
		}
		p = &portal{bucket: rate.NewLimiter(rate.Limit(perSecond), burst), token: c.newToken(member), clock: &ingest.Clock{}}
		c.portals[member] = p
	}
	return p
}

func (c *Client) bucket(member string) *rate.Limiter {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.of(member).bucket
}

// clock is that of a portal, as its answers showed it.
func (c *Client) clock(member string) *ingest.Clock {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.of(member).clock
}

// Clock returns a portal's clock, and asks the portal something where it has not answered yet.
func (c *Client) Clock(ctx context.Context, member string) (*ingest.Clock, error) {
	clock := c.clock(member)
	if clock.Known() {
		return clock, nil
	}
	return clock, c.Call(ctx, member, "event.get", nil, nil)
}

// moved reports whether a portal answers that it is elsewhere now, at most once an hour: its new address comes with new tokens
// (settings/how-to-call-rest-api/change-domen.md), for nobody takes it from a redirect.
func (c *Client) moved(member string, err error) bool {
	var refusal *Refusal
	if !errors.As(err, &refusal) || refusal.Status < 300 || refusal.Status > 399 {
		return false
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	p := c.of(member)
	if time.Since(p.moved) < time.Hour {
		return false
	}
	p.moved = time.Now()
	return true
}

func (c *Client) log() *slog.Logger {
	if c.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return c.Log
}
