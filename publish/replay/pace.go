package replay

import (
	"context"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest/retry"
)

// pace spreads events evenly over time. A delay causes no burst.
type pace struct {
	every time.Duration // between two events; 0: no limit
	due   time.Time     // of the next
}

func newPace(rate float64) pace {
	if rate <= 0 {
		return pace{}
	}
	return pace{every: time.Duration(float64(time.Second) / rate)}
}

const (
	// finest is the shortest wait.
	finest = time.Millisecond
	// lateness is how much of a delay is caught up.
	lateness = 100 * time.Millisecond
)

// wait returns when the next event may go; before it waits it calls idle, unless that is nil.
func (p *pace) wait(ctx context.Context, idle func()) error {
	if p.every == 0 {
		return nil
	}
	now := time.Now()
	if earliest := now.Add(-lateness); p.due.Before(earliest) {
		p.due = now
	}
	early := p.due.Sub(now)
	p.due = p.due.Add(p.every)
	if early < finest {
		return ctx.Err()
	}
	if idle != nil {
		idle()
	}
	return retry.Sleep(ctx, early)
}
