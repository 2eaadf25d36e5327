package main

import (
	"context"
)

// The targets of a start.
const (
	startSeconds = 3
	startMB      = 64
)

// starts measures starts of the bridge on the large store: after it was stopped in order, and after it was killed while it stored
// an event, so that the state that its NATS server wrote last is old.
func (p plan) starts(ctx context.Context) ([]row, error) {
	if err := p.rest(ctx); err != nil {
		return nil, err
	}
	names := []string{"after a stop in order", "after kill -9"}
	var rows []row
	for turn, name := range names {
		seconds := row{what: "start " + name + ", until ready", most: startSeconds, unit: "s"}
		resident := row{what: "memory then", most: startMB, unit: "MB"}
		peak := row{what: "its peak by then", unit: "MB"}
		for n := range p.rounds {
			b, err := p.start(ctx, p.store())
			if err != nil {
				return nil, err
			}
			end := b.stop
			if turn == 1 {
				end = b.kill
			}
			if err := b.post(ctx, n); err != nil {
				return nil, err
			}
			if err := end(); err != nil {
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
