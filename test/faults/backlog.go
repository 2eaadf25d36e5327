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

// absent starts the bridge before its remote. With a journal callbacks are answered 200 all the same; in delivery direct they
// are answered 503, and the bridge is ready as soon as the remote is there.
func absent(d delivery) play {
	return func(ctx context.Context, s *stage) (row, error) {
		at, err := s.openSite(ctx, d)
		if err != nil {
			return row{}, err
		}
		if err := errors.Join(at.remote.kill(), at.startBridge(ctx)); err != nil {
			return row{}, err
		}
		load := at.send(ctx)
		err = pass(ctx, max(s.load, awayFor))
		ready := at.bridge.ready(ctx)
		away := at.ledger.next()
		began := time.Now()
		err = errors.Join(err, at.remote.start(ctx), until(ctx, recoverWithin, "the bridge is ready", at.bridge.ready))
		recovery := time.Since(began)
		err = errors.Join(err, at.recovers(ctx, began))
		load.stop()
		if err != nil {
			return row{}, err
		}
		r, err := at.settle(ctx)
		r.recovery = recovery
		r.require(ready == (d == journal), "before the remote was there /readyz said ready: %t", ready)
		if d == direct {
			r.require(away.refused > 0 && away.answered+away.other+away.unanswered == 0, "before the remote was there not every callback was answered 503: %s", away)
			r.require(recovery < 5*time.Second, "the bridge was ready only %s after the remote", recovery)
			return r, err
		}
		r.require(away.answered > 0 && away.refused+away.other+away.unanswered == 0, "before the remote was there not every callback was answered 200: %s", away)
		r.note("%d answered before it was there", away.answered)
		return r, err
	}
}
