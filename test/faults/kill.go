//go:build linux

package main

import (
	"context"
	"errors"
	"time"
)

// restart starts the bridge again, and returns how long that took.
func (at *site) restart(ctx context.Context) (time.Duration, error) {
	began := time.Now()
	err := at.startBridge(ctx)
	return time.Since(began), err
}

// kill -9 does not affect the page cache: these scenarios show nothing about a power cut.

// killBridge kills the bridge under load several times, and starts it again.
func killBridge(d delivery) play {
	return killing(d, func(ctx context.Context, at *site) error {
		if err := at.bridge.kill(); err != nil {
			return err
		}
		return at.startBridge(ctx)
	})
}

// killBroker kills the remote broker.
func killBroker(d delivery) play {
	return killing(d, func(ctx context.Context, at *site) error {
		if err := at.remote.kill(); err != nil {
			return err
		}
		return at.remote.start(ctx)
	})
}

// killBoth kills the bridge and its broker. In delivery direct the bridge needs the broker at its start.
func killBoth(d delivery) play {
	return killing(d, func(ctx context.Context, at *site) error {
		if err := errors.Join(at.remote.kill(), at.bridge.kill()); err != nil {
			return err
		}
		if d == direct {
			return errors.Join(at.remote.start(ctx), at.startBridge(ctx))
		}
		return errors.Join(at.startBridge(ctx), at.remote.start(ctx))
	})
}

// killing loads a bridge while something is killed and started again, in rounds.
func killing(d delivery, kill func(context.Context, *site) error) play {
	return func(ctx context.Context, s *stage) (row, error) {
		at, err := s.open(ctx, d)
		if err != nil {
			return row{}, err
		}
		load := at.send(ctx)
		var recovery time.Duration
		for range s.rounds {
			if err := errors.Join(pass(ctx, s.load), kill(ctx, at)); err != nil {
				return row{}, err
			}
			began := time.Now()
			at.ledger.next()
			if err := at.recovers(ctx, began); err != nil {
				return row{}, err
			}
			recovery = max(recovery, time.Since(began))
		}
		err = pass(ctx, s.load/2)
		load.stop()
		if err != nil {
			return row{}, err
		}
		r, err := at.settle(ctx)
		r.recovery = recovery
		r.note("%d kills", s.rounds)
		return r, err
	}
}
