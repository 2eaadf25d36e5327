//go:build linux

package main

import (
	"context"
	"time"
)

// sigterm stops the bridge under load: exit code 0, and no accepted request loses its answer. A stored event without an answer was
// accepted, and then cut off.
func sigterm(d delivery) play {
	return func(ctx context.Context, s *stage) (row, error) {
		at, err := s.open(ctx, d)
		if err != nil {
			return row{}, err
		}
		load := at.send(ctx)
		for range s.rounds {
			if err := pass(ctx, s.load); err != nil {
				return row{}, err
			}
			if err := at.bridge.stop(ctx); err != nil {
				return row{}, err
			}
			if err := at.startBridge(ctx); err != nil {
				return row{}, err
			}
			at.ledger.next()
			if err := at.recovers(ctx, time.Now()); err != nil {
				return row{}, err
			}
		}
		load.stop()
		r, err := at.settle(ctx)
		r.require(r.storedUnanswered == 0, "%d accepted callbacks lost their answer when the bridge was stopped", r.storedUnanswered)
		r.note("%d times, exit code 0; no answer only if no connection was accepted", s.rounds)
		return r, err
	}
}

// drainDelay stops the bridge as an orchestrator does: senders stop when /readyz reports not ready. Then no callback may lose its
// answer.
func drainDelay(d delivery) play {
	return func(ctx context.Context, s *stage) (row, error) {
		at, err := s.open(ctx, d, "BRIDGE_DRAIN_DELAY=1s")
		if err != nil {
			return row{}, err
		}
		load := at.send(ctx)
		if err := pass(ctx, s.load); err != nil {
			return row{}, err
		}
		stopped := make(chan error, 1)
		go func() { stopped <- at.bridge.stop(ctx) }()
		err = until(ctx, time.Second, "the bridge reports not ready", func(ctx context.Context) bool { return !at.bridge.ready(ctx) })
		load.stop()
		if ended := <-stopped; err == nil {
			err = ended
		}
		if err != nil {
			return row{}, err
		}
		if err := at.startBridge(ctx); err != nil {
			return row{}, err
		}
		r, err := at.settle(ctx)
		r.require(r.counts[unanswered] == 0, "%d callbacks lost their answer although they were sent while the bridge was ready, or soon after", r.counts[unanswered])
		r.require(r.counts[refused] == 0, "%d callbacks were answered 503 during the drain", r.counts[refused])
		r.note("exit code 0")
		return r, err
	}
}
