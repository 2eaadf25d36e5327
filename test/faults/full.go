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

// diskMiB is the size of the disk that is filled. A bridge with a broken store exits when 64 MiB are free again.
const diskMiB = 256

// endsWithin is how soon a bridge must exit once there is room again.
const endsWithin = 20 * time.Second

// diskFull fills the disk of the bridge under load. Callbacks are then answered 503. When there is room again the bridge exits, because
// its store stays broken, and is started again, as a service manager would.
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
		if d == journal { // so that nothing is removed from the journal
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
			return row{}, fmt.Errorf("the bridge must exit with code 1 when there is room again: code %d, %w", code, ended)
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
		r.require(!readyWhileFull, "the bridge reported ready while its disk was full")
		r.note("exited by itself, code 1; not a power cut: the disk is in memory")
		return r, err
	}
}

// diskFullForwarded fills the disk of a journal permanently, while the remote is up. Everything in the journal is forwarded, and then the
// bridge exits, because only a restart can use its store again: here one with room.
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
		return row{}, fmt.Errorf("the bridge must exit with code 1 when everything is forwarded: code %d, %w", code, ended)
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
	r.require(strings.Contains(reason, "everything in it was forwarded"), "the bridge exited for another reason%s", reason)
	r.note("exited by itself, code 1, after %s with the disk still full", took.Round(100*time.Millisecond))
	return r, err
}

// fill writes a file until the disk is full.
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

// refuses returns when callbacks are answered 503, and begins a phase in which all must be.
func (at *site) refuses(ctx context.Context) error {
	at.ledger.next()
	if err := until(ctx, recoverWithin, "callbacks are answered 503", func(context.Context) bool { return at.ledger.peek().refused > at.connections }); err != nil {
		return fmt.Errorf("%w: %s", err, at.ledger.peek())
	}
	at.ledger.next()
	return nil
}

// leftWithin is how long forwarded events may stay in the journal, and more.
const leftWithin = 6 * time.Second

// staysFull returns when callbacks are answered 503 and forwarded events have left the journal, whose room others have taken.
func (at *site) staysFull(ctx context.Context) error {
	return errors.Join(at.refuses(ctx), pass(ctx, leftWithin), at.refuses(ctx))
}

// isFull requires that nothing was stored in a phase, but for left events that replaced forwarded ones.
func (r *row) isFull(full phase, left int) {
	r.require(full.refused > 0 && full.answered <= left && full.other+full.unanswered == 0, "while nothing could be stored not every callback was answered 503: %s", full)
	r.require(full.noWait == 0, "%d of the 503 came without Retry-After", full.noWait)
}

// journalFull has the remote unreachable until the journal is full: 503. A bridge that is killed then still starts. When the remote is
// up again the journal drains, and callbacks are answered 200.
func journalFull(ctx context.Context, s *stage) (row, error) {
	at, err := s.open(ctx, journal, "BRIDGE_ANSWER_TIMEOUT=1s", "BRIDGE_JOURNAL_MAX_BYTES=2MiB")
	if err != nil {
		return row{}, err
	}
	load := at.send(ctx)
	if err := errors.Join(pass(ctx, s.load), at.remote.kill(), at.staysFull(ctx)); err != nil {
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
	r.isFull(full, 1) // the last acknowledged message stays for a while
	r.isFull(again, 0)
	return r, err
}

// remoteFull fills the disk of the remote under load: with a journal callbacks are still answered 200. The broker stores nothing more
// until it is restarted, with room on its disk.
func remoteFull(d delivery) play {
	return func(ctx context.Context, s *stage) (row, error) {
		if _, err := s.mount(ctx, "remote", "-t", "tmpfs", "-o", fmt.Sprintf("size=%dm", diskMiB), "tmpfs"); err != nil {
			return row{}, err
		}
		at, err := s.open(ctx, d, "BRIDGE_ANSWER_TIMEOUT=1s", "BRIDGE_STREAM_MAX_BYTES=150MiB")
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
