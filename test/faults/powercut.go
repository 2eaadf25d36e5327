//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"
)

// result is what one power cut showed.
type result struct {
	answered, missing, double, dropped, blocks int
	rate                                       float64
}

// imageMiB is the size of the device that a bridge has.
const imageMiB = 1024

// cutPower runs a bridge on a device of its own and cuts its power several times; after each cut it goes on from what the
// device held.
func cutPower(ctx context.Context, folder, program string, w way, cuts int, each time.Duration, connections int) (results []result, err error) {
	image, mount := filepath.Join(folder, "image"), filepath.Join(folder, "mount")
	if err := os.MkdirAll(mount, 0o700); err != nil {
		return nil, err
	}
	if err := makeDevice(ctx, image); err != nil {
		return nil, err
	}
	sent := &ledger{}
	for range cuts {
		r, err := oneCut(ctx, image, mount, program, w, each, connections, sent)
		if err != nil {
			return results, err
		}
		results = append(results, r)
	}
	return results, nil
}

func makeDevice(ctx context.Context, image string) error {
	_ = os.Remove(image)
	file, err := os.Create(image)
	if err != nil {
		return err
	}
	if err := errors.Join(file.Truncate(imageMiB<<20), file.Close()); err != nil {
		return err
	}
	return command(ctx, "mkfs.ext4", "-q", "-F", image)
}

// oneCut loads the bridge, cuts its power, leaves in image what the device held, and compares.
func oneCut(ctx context.Context, image, mount, program string, w way, each time.Duration, connections int, sent *ledger) (r result, err error) {
	if err := command(ctx, "mount", "-o", "loop", image, mount); err != nil {
		return r, err
	}
	b, err := start(ctx, program, filepath.Join(mount, "data"), w.env)
	if err != nil {
		return r, errors.Join(err, command(ctx, "umount", mount))
	}
	load, finish := context.WithTimeout(ctx, 4*each)
	defer finish()
	began, before := time.Now(), sent.count()
	done := sent.send(load, b.callbacks, connections)
	select {
	case <-time.After(each):
	case <-ctx.Done():
		return r, ctx.Err()
	}
	// What was answered by now must be in the copy. Then the bridge stands still, so that the copy is of one moment.
	answered := sent.snapshot()
	rate := float64(len(answered)-before) / time.Since(began).Seconds()
	err = errors.Join(b.cmd.Process.Signal(syscall.SIGSTOP), command(ctx, "cp", "--sparse=always", image, image+".cut"), b.cmd.Process.Kill())
	finish()
	<-done
	_ = b.cmd.Wait()
	if err := errors.Join(err, command(ctx, "umount", mount), os.Rename(image+".cut", image)); err != nil {
		return r, err
	}
	sent.forgetAfter(len(answered)) // answered during the copy: it may or may not hold them

	if err := command(ctx, "mount", "-o", "loop", image, mount); err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, command(context.WithoutCancel(ctx), "umount", mount)) }()
	if b, err = start(ctx, program, filepath.Join(mount, "data"), w.env); err != nil {
		return r, err
	}
	held, first, err := b.held(ctx)
	blocks, _ := filepath.Glob(filepath.Join(mount, "data/jetstream/$G/streams/CRM/msgs/*.blk"))
	r = reconcile(answered, held, first)
	r.rate, r.blocks = rate, len(blocks)
	return r, errors.Join(err, b.cmd.Process.Signal(syscall.SIGTERM), b.cmd.Wait())
}

// reconcile compares every answer with what the stream holds. An event whose sequence is before the stream's first was
// dropped at the stream's limit, as it should be.
func reconcile(answered []answer, held map[string]int, first uint64) result {
	r := result{answered: len(answered)}
	for _, a := range answered {
		switch n := held[a.id]; {
		case n > 1:
			r.double++
		case n == 0 && a.sequence < first:
			r.dropped++
		case n == 0:
			r.missing++
		}
	}
	return r
}

func command(ctx context.Context, name string, args ...string) error {
	if out, err := exec.CommandContext(ctx, name, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", name, err, out)
	}
	return nil
}
