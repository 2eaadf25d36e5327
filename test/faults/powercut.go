//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"
)

// imageMiB is the size of a bridge's device.
const imageMiB = 1024

// powerCut runs a bridge on a device of its own and cuts its power several times; after each cut it resumes from what the device held.
// The bridge is suspended while the image of the device is copied: the copy is what a power cut would have left, all that reached the
// device and nothing that was only in memory.
func powerCut(d delivery, env ...string) play { return cutting(d, false, env) }

// powerCutBacklog has the remote unreachable while events gather in the journal: until after the first cut, and until shortly before the
// second, which comes while they are forwarded.
func powerCutBacklog() play { return cutting(journal, true, nil) }

func cutting(d delivery, backlog bool, env []string) play {
	return func(ctx context.Context, s *stage) (row, error) {
		image := filepath.Join(s.folder, "image")
		if err := makeDevice(ctx, image); err != nil {
			return row{}, err
		}
		at, err := s.openSite(ctx, d, env...)
		if err != nil {
			return row{}, err
		}
		at.data = filepath.Join(s.folder, "device", "data")
		var all row
		for cut := range s.cuts {
			load := at.loaded
			if backlog {
				load = [...]loading{at.downThroughout, at.downAtFirst}[cut%2]
			}
			r, err := at.cutPower(ctx, image, load, func(row) error { return nil })
			if err != nil {
				return r, fmt.Errorf("cut %d: %w", cut+1, err)
			}
			r.missing, r.double, r.recovery = max(r.missing, all.missing), max(r.double, all.double), max(r.recovery, all.recovery)
			all = r
		}
		all.note("%d cuts", s.cuts)
		return all, nil
	}
}

func makeDevice(ctx context.Context, image string) error {
	file, err := os.Create(image)
	if err != nil {
		return err
	}
	if err := errors.Join(file.Truncate(imageMiB<<20), file.Close()); err != nil {
		return err
	}
	return command(ctx, "mkfs.ext4", "-q", "-F", image)
}

// loading is what happens until the power is cut.
type loading func(ctx context.Context) error

func (at *site) loaded(ctx context.Context) error { return pass(ctx, at.load) }

func (at *site) downThroughout(ctx context.Context) error {
	return errors.Join(at.remote.kill(), pass(ctx, at.load))
}

func (at *site) downAtFirst(ctx context.Context) error {
	return errors.Join(at.remote.kill(), pass(ctx, at.load), at.remote.start(ctx), pass(ctx, at.load/4))
}

// cutPower loads the bridge, cuts its power, leaves in image what the device held, and compares. after looks at the bridge that resumed.
func (at *site) cutPower(ctx context.Context, image string, loading loading, after func(row) error) (row, error) {
	unmount, err := at.mount(ctx, "device", "-o", "loop", image)
	if err != nil {
		return row{}, err
	}
	if err := at.startBridge(ctx); err != nil {
		return row{}, err
	}
	load := at.send(ctx)
	err = loading(ctx)
	// What was answered by now must be in the copy. The bridge is then suspended, so that the copy is consistent.
	at.ledger.freeze(true)
	before := at.ledger.next()
	err = errors.Join(err, at.bridge.signal(syscall.SIGSTOP), command(ctx, "cp", "--sparse=always", image, image+".cut"), at.bridge.kill())
	load.stop()
	at.ledger.freeze(false)
	if err := errors.Join(err, unmount(), os.Rename(image+".cut", image)); err != nil {
		return row{}, err
	}
	if unmount, err = at.mount(ctx, "device", "-o", "loop", image); err != nil {
		return row{}, err
	}
	took, err := at.restart(ctx)
	if err != nil {
		return row{}, err
	}
	if at.remote != nil && at.remote.ended() {
		err = at.remote.start(ctx)
	}
	if err != nil {
		return row{}, err
	}
	r, err := at.settle(ctx)
	if err == nil {
		err = after(r)
	}
	r.rate, r.recovery = float64(before.answered)/before.took.Seconds(), took
	return r, errors.Join(err, at.bridge.stop(ctx), unmount())
}
