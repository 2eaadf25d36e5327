//go:build linux

package main

import (
	"context"
	"errors"
	"time"
)

// window is a duplicates window that a remote is away for longer than.
const window = "BRIDGE_STREAM_DUPLICATES=1s"

// awayFor is longer than the window.
const awayFor = 2000 * time.Millisecond

// awayDirect makes the remote unreachable: callbacks are answered 503 when the answer timeout is over, which is one second here, and
// what was so answered never appears.
func awayDirect(ctx context.Context, s *stage) (row, error) {
	at, err := s.open(ctx, direct, window)
	if err != nil {
		return row{}, err
	}
	load := at.send(ctx)
	err = errors.Join(pass(ctx, s.load), at.remote.kill())
	at.ledger.next()
	// What was on its way when the remote went may be stored; what comes later may not.
	err = errors.Join(err, pass(ctx, 1500*time.Millisecond))
	at.ledger.next()
	err = errors.Join(err, pass(ctx, awayFor))
	away := at.ledger.next()
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
	r.require(away.refused > 0 && away.answered+away.other+away.unanswered == 0, "while the remote was away not every callback was answered 503: %s", away)
	r.require(away.slowest < answersBy, "a callback was answered 503 only after %s", away.slowest)
	r.require(away.noWait == 0, "%d of the 503 came without Retry-After", away.noWait)
	late := at.ledger.storedOf(away, refused)
	r.require(late == 0, "%d callbacks that were answered 503 while the remote was away were sent to it later", late)
	r.note("503 within %s", away.slowest.Round(time.Millisecond))
	return r, err
}
