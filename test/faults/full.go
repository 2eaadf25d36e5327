//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// diskMiB is the size of the disk that is filled up. A bridge whose store broke ends when 64 MiB are free again.
const diskMiB = 256

// endsWithin is how soon a bridge must end after there is room again.
const endsWithin = 20 * time.Second

// diskFull fills the disk of the bridge up under load. Callbacks are then answered 503. When there is room again the bridge
// ends, for its store takes nothing more; whoever runs it starts it again, and so does this.
func diskFull(d delivery) play {
	return func(ctx context.Context, s *stage) (row, error) {
		if _, err := s.mount(ctx, "disk", "-t", "tmpfs", "-o", fmt.Sprintf("size=%dm", diskMiB), "tmpfs"); err != nil {
			return row{}, err
		}
		at, err := s.openSite(ctx, d, "BRIDGE_ANSWER_TIMEOUT=1s")
		if err != nil {
			return row{}, err
		}
		at.data = filepath.Join(s.folder, "disk", "data")
		if err := at.startBridge(ctx); err != nil {
			return row{}, err
		}
		load := at.send(ctx)
		err = pass(ctx, s.load)
		if d == journal { // so that nothing leaves the journal and makes room
			err = errors.Join(err, at.remote.kill())
		}
		ballast := filepath.Join(s.folder, "disk", "ballast")
		if err := errors.Join(err, fill(ballast), at.refuses(ctx)); err != nil {
			return row{}, err
		}
		err = pass(ctx, max(s.load, outage))
		readyWhileFull := at.bridge.ready(ctx)
		full := at.ledger.next()
		began := time.Now()
		ended := errors.Join(err, os.Remove(ballast), at.bridge.ends(ctx, endsWithin))
		if code := exitCode(at.bridge.err); ended == nil || code != 1 {
			return row{}, fmt.Errorf("the bridge must end with code 1 when there is room again: code %d, %w", code, ended)
		}
		if d == journal {
			err = at.remote.start(ctx)
		}
		if err := errors.Join(err, at.startBridge(ctx)); err != nil {
			return row{}, err
		}
		at.ledger.next()
		if err := at.recovers(ctx, began); err != nil {
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
		r.isFull(full, 0)
		r.require(!readyWhileFull, "the bridge said that it was ready while its disk was full")
		r.note("ended by itself, code 1; not a power cut: the disk is in memory")
		return r, err
	}
}

// diskFullForwarded fills the disk of a journal permanently, while the remote takes events. Everything in the journal reaches
// the remote, and then the bridge ends, for only a new start can use its store again: here one with room.
func diskFullForwarded(ctx context.Context, s *stage) (row, error) {
	if _, err := s.mount(ctx, "disk", "-t", "tmpfs", "-o", fmt.Sprintf("size=%dm", diskMiB), "tmpfs"); err != nil {
		return row{}, err
	}
	at, err := s.openSite(ctx, journal, "BRIDGE_ANSWER_TIMEOUT=1s")
	if err != nil {
		return row{}, err
	}
	at.data = filepath.Join(s.folder, "disk", "data")
	if err := at.startBridge(ctx); err != nil {
		return row{}, err
	}
	load := at.send(ctx)
	ballast := filepath.Join(s.folder, "disk", "ballast")
	err = errors.Join(pass(ctx, s.load), fill(ballast))
	began := time.Now()
	ended := errors.Join(err, at.bridge.ends(ctx, endsWithin))
	if code := exitCode(at.bridge.err); ended == nil || code != 1 {
		return row{}, fmt.Errorf("the bridge must end with code 1 when everything is forwarded: code %d, %w", code, ended)
	}
	took, reason := time.Since(began), at.bridge.log.end()
	if err := errors.Join(os.Remove(ballast), at.startBridge(ctx)); err != nil {
		return row{}, err
	}
	at.ledger.next()
	err = at.recovers(ctx, time.Now())
	load.stop()
	if err != nil {
		return row{}, err
	}
	r, err := at.settle(ctx)
	r.require(strings.Contains(reason, "everything in it was forwarded"), "the bridge ended for another reason%s", reason)
	r.note("ended by itself, code 1, after %s with the disk still full", took.Round(100*time.Millisecond))
	return r, err
}

// fill writes a file until the disk takes nothing more.
func fill(path string) error {
	file, err := os.Create(path)
	if err != nil {
		return err
	}
	for size := 1 << 20; size > 0 && err == nil; size /= 16 {
		for chunk := make([]byte, size); err == nil; {
			_, err = file.Write(chunk)
		}
		if errors.Is(err, syscall.ENOSPC) {
			err = nil
		}
	}
	return errors.Join(err, file.Close())
}

// refuses returns when callbacks are answered 503, and begins the phase in which that should be so.
func (at *site) refuses(ctx context.Context) error {
	at.ledger.next()
	if err := until(ctx, recoverWithin, "callbacks are answered 503", func(context.Context) bool { return at.ledger.peek().refused > at.connections }); err != nil {
		return fmt.Errorf("%w: %s", err, at.ledger.peek())
	}
	at.ledger.next()
	return nil
}

// isFull requires of a phase that nothing could be kept in it, but for what took the place of so many events that left.
func (r *row) isFull(full phase, left int) {
	r.require(full.refused > 0 && full.answered <= left && full.other+full.unanswered == 0, "while nothing more could be kept not every callback was answered 503: %s", full)
	r.require(full.noWait == 0, "%d of the 503 came without Retry-After", full.noWait)
}

// journalFull has the remote away until the journal is full: 503. A bridge that is killed then starts again all the same.
// When the remote is back the journal drains, and callbacks are answered 200.
func journalFull(ctx context.Context, s *stage) (row, error) {
	at, err := s.open(ctx, journal, "BRIDGE_ANSWER_TIMEOUT=1s", "BRIDGE_JOURNAL_MAX_BYTES=2MiB")
	if err != nil {
		return row{}, err
	}
	load := at.send(ctx)
	if err := errors.Join(pass(ctx, s.load), at.remote.kill(), at.refuses(ctx)); err != nil {
		return row{}, err
	}
	err = pass(ctx, s.load)
	full := at.ledger.next()
	if err := errors.Join(err, at.bridge.kill(), at.startBridge(ctx), at.refuses(ctx), pass(ctx, s.load)); err != nil {
		return row{}, err
	}
	again := at.ledger.next()
	began := time.Now()
	if err := errors.Join(at.remote.start(ctx), at.recovers(ctx, began)); err != nil {
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
	r.isFull(full, 1) // the last one that the remote has acknowledged stays for a while
	r.isFull(again, 0)
	return r, err
}

// remoteFull fills the disk of the remote up under load: with a journal callbacks are answered 200 all the same. The broker
// takes nothing more until it is started again, with room on its disk.
func remoteFull(d delivery) play {
	return func(ctx context.Context, s *stage) (row, error) {
		if _, err := s.mount(ctx, "remote", "-t", "tmpfs", "-o", fmt.Sprintf("size=%dm", diskMiB), "tmpfs"); err != nil {
			return row{}, err
		}
		at, err := s.open(ctx, d, "BRIDGE_ANSWER_TIMEOUT=1s", "BRIDGE_STREAM_MAX_BYTES=100MiB")
		if err != nil {
			return row{}, err
		}
		load := at.send(ctx)
		ballast := filepath.Join(s.folder, "remote", "ballast")
		err = errors.Join(pass(ctx, s.load), fill(ballast))
		at.ledger.next()
		if d == direct {
			err = errors.Join(err, at.refuses(ctx))
		}
		err = errors.Join(err, pass(ctx, max(s.load, outage)))
		full := at.ledger.next()
		began := time.Now()
		if err := errors.Join(err, os.Remove(ballast), at.remote.kill(), at.remote.start(ctx), at.recovers(ctx, began)); err != nil {
			return row{}, err
		}
		recovery := time.Since(began)
		load.stop()
		r, err := at.settle(ctx)
		if r.recovery = recovery; d == direct {
			r.isFull(full, 0)
		} else {
			r.require(full.answered > 0 && full.refused+full.other+full.unanswered == 0, "not every callback was answered 200 meanwhile: %s", full)
		}
		return r, err
	}
}
