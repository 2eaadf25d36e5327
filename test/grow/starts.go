package main

import (
	"context"
	"errors"
)

// The targets of a start.
const (
	startSeconds = 3
	startMB      = 64
)

// ending is how a bridge ended before the start that is measured.
type ending struct {
	name string
	end  func(*bridge) error
}

var endings = []ending{
	{"after a stop in order", (*bridge).stop},
	{"after kill -9", (*bridge).kill},
	{"after kill -9, with nothing in the page cache", func(b *bridge) error { return errors.Join(b.kill(), dropCache()) }},
}

// starts measures starts of the bridge on the large store: after it was stopped in order, and after it was killed while it stored
// an event, so that the state that its NATS server wrote last is old.
func (p plan) starts(ctx context.Context) ([]row, error) {
	if err := p.rest(ctx); err != nil {
		return nil, err
	}
	var rows []row
	for _, before := range endings {
		seconds := row{what: "start " + before.name + ", until ready", most: startSeconds, unit: "s"}
		resident := row{what: "memory then", most: startMB, unit: "MB"}
		peak := row{what: "its peak by then", unit: "MB"}
		for n := range p.rounds {
			b, err := p.start(ctx, p.store())
			if err != nil {
				return nil, err
			}
			if err := b.post(ctx, n); err != nil {
				return nil, err
			}
			if err := before.end(b); err != nil {
				return nil, err
			}
			if b, err = p.start(ctx, p.store()); err != nil {
				return nil, err
			}
			seconds.rounds = append(seconds.rounds, b.took.Seconds())
			resident.rounds, peak.rounds = append(resident.rounds, mb(b.atReady.resident)), append(peak.rounds, mb(b.atReady.peak))
			if err := b.stop(); err != nil {
				return nil, err
			}
		}
		rows = append(rows, seconds, resident, peak)
	}
	return rows, nil
}

// rest starts and stops the bridge once: whatever an earlier run has left, the store is then one that was closed in order.
func (p plan) rest(ctx context.Context) error {
	b, err := p.start(ctx, p.store())
	if err != nil {
		return err
	}
	return b.stop()
}
