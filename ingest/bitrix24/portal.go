package bitrix24

import (
	"errors"
	"log/slog"
	"time"

	"golang.org/x/time/rate"
)

// portal is what this process knows of a portal beside its credentials.
type portal struct {
	bucket  *rate.Limiter
	unsaved *unsaved  // credentials that could not be stored yet
	moved   time.Time // when its new address was last asked for
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
		p = &portal{bucket: rate.NewLimiter(rate.Limit(perSecond), burst)}
		c.portals[member] = p
	}
	return p
}

func (c *Client) bucket(member string) *rate.Limiter {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.of(member).bucket
}

// moved tells whether a portal answers that it is elsewhere now, at most once an hour: its new address comes with new tokens
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
