//go:build linux

package main

import (
	"context"
	"errors"
	"time"
)

// window is a duplicates window that is shorter than an outage of the remote.
const window = "BRIDGE_STREAM_DUPLICATES=1s"

// downFor is how long the remote is unreachable: longer than the window.
const downFor = 2000 * time.Millisecond

// downDirect makes the remote unreachable: callbacks are answered 503 after the answer timeout, which is one second here, and their
// events are never stored.
func downDirect(ctx context.Context, s *stage) (row, error) {
	at, err := s.open(ctx, direct, window)
	if err != nil {
		return row{}, err
	}
	load := at.send(ctx)
	err = errors.Join(pass(ctx, s.load), at.remote.kill())
	at.ledger.next()
	// Callbacks in flight when the remote was killed may be stored; later ones may not.
	err = errors.Join(err, pass(ctx, 1500*time.Millisecond))
	at.ledger.next()
	err = errors.Join(err, pass(ctx, downFor))
	down := at.ledger.next()
	began := time.Now()
	if err := errors.Join(err, at.remote.start(ctx), at.recovers(ctx, began)); err != nil {
		return row{}, err
	}
	recovery := time.Since(began)
	err = pass(ctx, s.load)
	load.stop()
	if err != nil {
		return row{}, err
	}
	r, err := at.settle(ctx)
	r.recovery = recovery
	r.require(down.refused > 0 && down.answered+down.other+down.unanswered == 0, "while the remote was unreachable not every callback was answered 503: %s", down)
	r.require(down.slowest < answersBy, "a callback was answered 503 only after %s", down.slowest)
	r.require(down.noWait == 0, "%d of the 503 came without Retry-After", down.noWait)
	late := at.ledger.storedOf(down, refused)
	r.require(late == 0, "%d callbacks that were answered 503 while the remote was unreachable were sent to it later", late)
	r.note("503 within %s", down.slowest.Round(time.Millisecond))
	return r, err
}
