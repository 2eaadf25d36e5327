package main

import (
	"context"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/config"
	"time"
)

// pace spreads events evenly over time. What was late is not made up for by a flood.
type pace struct {
	every time.Duration // between two events; 0: no limit
	due   time.Time     // of the next
}

func newPace(rate config.Rate) *pace {
	if rate <= 0 {
		return &pace{}
	}
	return &pace{every: time.Duration(float64(time.Second) / float64(rate))}
}

const (
	// finest is the shortest wait that is worth its while.
	finest = time.Millisecond
	// lateness is how much is made up for.
	lateness = 100 * time.Millisecond
)

// wait returns when the next event may go; before it waits it calls idle.
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
	idle()
	return sleep(ctx, early)
}

// sleep returns after d, or with the error of a ctx that has ended before.
func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
