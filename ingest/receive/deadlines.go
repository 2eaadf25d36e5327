package receive

import (
	"context"
	"sync/atomic"
	"time"
)

// deadlines gives callbacks a context that ends when their answer is due. Those that begin within a hundredth of the timeout share one,
// instead of a timer each: a callback has at least 99 % of the timeout, and at most all of it.
type deadlines struct {
	timeout time.Duration
	last    atomic.Pointer[deadline]
}

// deadline is a context for the callbacks that begin until a moment.
type deadline struct {
	ctx   context.Context
	until time.Time
}

// from returns the context of a callback that begins now. Nothing but its deadline ends it.
func (d *deadlines) from(now time.Time) context.Context {
	if last := d.last.Load(); last != nil && !now.After(last.until) {
		return last.ctx
	}
	ctx, release := context.WithDeadline(context.Background(), now.Add(d.timeout))
	context.AfterFunc(ctx, release)
	d.last.Store(&deadline{ctx, now.Add(d.timeout / 100)})
	return ctx
}
