//go:build linux

package main

import (
	"context"
	"errors"
	"time"
)

// awayJournal has the remote away for longer than its duplicates window: every callback is answered 200 all the same, and
// then everything arrives, in order.
func awayJournal(ctx context.Context, s *stage) (row, error) {
	at, err := s.open(ctx, journal, window)
	if err != nil {
		return row{}, err
	}
	load := at.send(ctx)
	err = errors.Join(pass(ctx, s.load), at.remote.kill())
	at.ledger.next()
	err = errors.Join(err, pass(ctx, awayFor))
	away := at.ledger.next()
	began := time.Now()
	err = errors.Join(err, at.remote.start(ctx), at.recovers(ctx, began))
	recovery := time.Since(began)
	load.stop()
	if err != nil {
		return row{}, err
	}
	r, err := at.settle(ctx)
	r.recovery = recovery
	r.doubles = "stored when the remote was killed, its acknowledgement not yet read, and sent again after the window"
	r.require(away.answered > 0 && away.refused+away.other+away.unanswered == 0, "while the remote was away not every callback was answered 200: %s", away)
	r.note("%d answered while it was away", away.answered)
	return r, err
}

// absentJournal starts the bridge before its remote.
func absentJournal(ctx context.Context, s *stage) (row, error) {
	at, err := s.openSite(ctx, journal)
	if err != nil {
		return row{}, err
	}
	if err := errors.Join(at.remote.kill(), at.startBridge(ctx)); err != nil {
		return row{}, err
	}
	load := at.send(ctx)
	err = pass(ctx, s.load)
	away := at.ledger.next()
	began := time.Now()
	err = errors.Join(err, at.remote.start(ctx), at.recovers(ctx, began))
	recovery := time.Since(began)
	load.stop()
	if err != nil {
		return row{}, err
	}
	r, err := at.settle(ctx)
	r.recovery = recovery
	r.require(away.answered > 0 && away.refused+away.other+away.unanswered == 0, "before the remote was there not every callback was answered 200: %s", away)
	r.note("%d answered before it was there", away.answered)
	return r, err
}
