package receive

import (
	"context"
	"time"
)

const (
	// silence is how long a connection may send nothing, once the listener is closed, until nothing more is expected of it.
	silence = time.Second
	// settleEvery is how often Settle looks at the connections.
	settleEvery = 5 * time.Millisecond
)

// Settle waits until each connection that was accepted is idle after its answer, or has sent nothing for a second, or ctx ends. Call it when
// Serve has returned because its listener was closed, and before http.Server.Shutdown, which closes a connection without an answer if its
// header is read after it has begun: that callback would be lost.
func (c *Connections) Settle(ctx context.Context) {
	for began := time.Now(); c.expect(time.Since(began) < silence) && ctx.Err() == nil; {
		select {
		case <-time.After(settleEvery):
		case <-ctx.Done():
		}
	}
}

// expect reports whether a connection has a request, or may send one: one that has sent nothing yet, only where patient.
func (c *Connections) expect(patient bool) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	quiet := 0
	for one := c.idle.first; one != nil; one = one.next {
		quiet++
	}
	for one := c.headers.first; one != nil && !patient; one = one.next {
		if one.header == 0 {
			quiet++
		}
	}
	return c.open > quiet
}
