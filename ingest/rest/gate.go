package rest

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest/retry"
)

// Gate holds back requests to an API whose limit was reached, until it is reset. The zero value is open.
type Gate struct {
	mu     sync.Mutex
	closed time.Time // until when
}

// longestClosed bounds how long a gate is closed, whatever an API says: limits are reset once a day or more often.
const longestClosed = 24 * time.Hour

// Close closes the gate for a time, at most a day, or longer if it is closed for longer already.
func (g *Gate) Close(wait time.Duration) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if until := time.Now().Add(min(wait, longestClosed)); until.After(g.closed) {
		g.closed = until
	}
}

// Closed returns until when the gate is closed; a time that is past: it is open.
func (g *Gate) Closed() time.Time {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.closed
}

// Pass returns when the gate is open. If that takes longer than longest it returns an error at once.
func (g *Gate) Pass(ctx context.Context, longest time.Duration) error {
	until := g.Closed()
	switch wait := time.Until(until); {
	case wait <= 0:
		return nil
	case wait > longest:
		return fmt.Errorf("the API's limit was reached; nothing is asked until %s", until.UTC().Format(time.RFC3339))
	default:
		return retry.Sleep(ctx, wait)
	}
}
