//go:build linux

package main

import (
	"context"
	"errors"
	"time"
)

// downJournal has the remote unreachable for longer than its duplicates window: every callback is still answered 200, and then every
// event is forwarded, in order.
func downJournal(ctx context.Context, s *stage) (row, error) {
	at, err := s.open(ctx, journal, window)
	if err != nil {
		return row{}, err
	}
	load := at.send(ctx)
	err = errors.Join(pass(ctx, s.load), at.remote.kill())
	at.ledger.next()
	err = errors.Join(err, pass(ctx, downFor))
	down := at.ledger.next()
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
	r.require(down.answered > 0 && down.refused+down.other+down.unanswered == 0, "while the remote was unreachable not every callback was answered 200: %s", down)
	r.note("%d answered meanwhile", down.answered)
	return r, err
}

// absent starts the bridge before its remote. With a journal callbacks are still answered 200; in delivery direct they are answered
// 503, and the bridge is ready as soon as the remote is up.
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
		err = pass(ctx, max(s.load, downFor))
		ready := at.bridge.ready(ctx)
		down := at.ledger.next()
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
		r.require(ready == (d == journal), "before the remote was up /readyz reported ready: %t", ready)
		if d == direct {
			r.require(down.refused > 0 && down.answered+down.other+down.unanswered == 0, "before the remote was up not every callback was answered 503: %s", down)
			r.require(recovery < 5*time.Second, "the bridge was ready only %s after the remote", recovery)
			return r, err
		}
		r.require(down.answered > 0 && down.refused+down.other+down.unanswered == 0, "before the remote was up not every callback was answered 200: %s", down)
		r.note("%d answered before it was up", down.answered)
		return r, err
	}
}
