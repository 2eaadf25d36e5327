//go:build linux

package main

import (
	"context"
	"path/filepath"
	"time"
)

// upgrade replaces two bridges behind a service one after the other, under load, as a rolling upgrade does: each gets SIGTERM, reports
// not ready, still answers for a while, exits, and is replaced by a new process on the same folder. No callback may be lost, refused, or
// left without an answer.
func upgrade(d delivery) play {
	return func(ctx context.Context, s *stage) (row, error) {
		one, err := s.open(ctx, d, drainFor)
		if err != nil {
			return row{}, err
		}
		two, err := one.beside(ctx)
		if err != nil {
			return row{}, err
		}
		front, err := s.openService(ctx, one, two)
		if err != nil {
			return row{}, err
		}
		if err := front.all(ctx); err != nil {
			return row{}, err
		}
		one.ledger.next()
		load := send(ctx, one.ledger, "http://"+front.address, s.connections)
		began := time.Now()
		for _, at := range []*site{one, two} {
			if err := pass(ctx, s.load); err != nil {
				return row{}, err
			}
			if err := at.bridge.stop(ctx); err != nil {
				return row{}, err
			}
			if err := at.startBridge(ctx); err != nil {
				return row{}, err
			}
			if err := front.all(ctx); err != nil {
				return row{}, err
			}
		}
		took := time.Since(began)
		err = pass(ctx, s.load)
		load.stop()
		if err != nil {
			return row{}, err
		}
		if err := two.drains(ctx, drainWithin); err != nil {
			return row{}, err
		}
		loaded := one.ledger.next()
		r, err := one.settle(ctx)
		r.require(r.counts[unanswered] == 0 && r.counts[refused] == 0, "not every callback was answered 200 while the bridges were replaced: %s", loaded)
		if d == journal {
			r.disorder = "two journals are forwarded side by side"
		}
		r.note("2 replicas replaced in %s, exit code 0", took.Round(100*time.Millisecond))
		return r, err
	}
}

// drainFor is longer than a service takes to notice that a replica is not ready.
const drainFor = "BRIDGE_DRAIN_DELAY=2s"

// beside starts another replica of a site: the same remote and ledger, a folder and an address of its own.
func (at *site) beside(ctx context.Context) (*site, error) {
	other, err := at.newSite(ctx, at.delivery, at.env...)
	if err != nil {
		return nil, err
	}
	other.data, other.remote, other.path, other.ledger = filepath.Join(at.folder, "data-2"), at.remote, at.path, at.ledger
	return other, other.startBridge(ctx)
}

// upgradeAlone replaces the only bridge, which embeds the stream: for a while nothing answers.
func upgradeAlone(ctx context.Context, s *stage) (row, error) {
	at, err := s.open(ctx, embedded)
	if err != nil {
		return row{}, err
	}
	load := at.send(ctx)
	if err := pass(ctx, s.load); err != nil {
		return row{}, err
	}
	held := at.ledger.peek().answered
	began := time.Now()
	if err := at.bridge.stop(ctx); err != nil {
		return row{}, err
	}
	ended := time.Since(began)
	at.ledger.next()
	if err := at.startBridge(ctx); err != nil {
		return row{}, err
	}
	err = until(ctx, recoverWithin, "callbacks are answered 200 again", func(context.Context) bool { return at.ledger.peek().answered > 0 })
	gap := time.Since(began)
	load.stop()
	if err != nil {
		return row{}, err
	}
	r, err := at.settle(ctx)
	r.recovery = gap
	r.note("%d events in the store: no answer for %s, of which stopping took %s", held, gap.Round(10*time.Millisecond), ended.Round(10*time.Millisecond))
	return r, err
}
