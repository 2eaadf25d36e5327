package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// lone is what one caller waits for, when nobody else does anything: medians.
type lone struct {
	sync    time.Duration // 1 KiB appended to a file, and fdatasync
	publish time.Duration // a publish to a NATS server in the same process, and fdatasync of the stream's block
	always  time.Duration // a publish to one with SyncAlways
}

// times is how often each of them is done for a median.
const times = 400

// eventSize is about that of the event that the bridge makes of the notification.
const eventSize = 1400

// publishAlone measures what the latency of the bridge is compared with.
func (p plan) publishAlone(ctx context.Context) (l lone, err error) {
	folder, err := os.MkdirTemp(p.dir, "lone-")
	if err != nil {
		return l, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	file, err := os.Create(filepath.Join(folder, "file"))
	if err != nil {
		return l, err
	}
	defer func() { _ = file.Close() }()
	if l.sync, err = median(func() error {
		if _, err := file.Write(make([]byte, 1024)); err != nil {
			return err
		}
		return datasync(file)
	}); err != nil {
		return l, err
	}
	if l.publish, err = publishing(ctx, filepath.Join(folder, "publish"), false); err != nil {
		return l, err
	}
	l.always, err = publishing(ctx, filepath.Join(folder, "always"), true)
	return l, err
}

// publishing returns how long one fsynced publish takes.
func publishing(ctx context.Context, dir string, always bool) (time.Duration, error) {
	s, err := openNATS(dir, always)
	if err != nil {
		return 0, err
	}
	defer func() {
		s.Shutdown()
		s.WaitForShutdown()
	}()
	conn, js, err := connect(ctx, s, false)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	event := bytes.Repeat([]byte("x"), eventSize)
	publish := func() error {
		_, err := js.Publish(ctx, eventSubject, event)
		return err
	}
	if err := publish(); err != nil {
		return 0, err
	}
	if always {
		return median(publish)
	}
	block, err := os.OpenFile(filepath.Join(dir, "jetstream", "$G", "streams", "CRM", "msgs", "1.blk"), os.O_RDWR, 0)
	if err != nil {
		return 0, err
	}
	defer func() { _ = block.Close() }()
	return median(func() error {
		if err := publish(); err != nil {
			return err
		}
		return datasync(block)
	})
}

// median does something many times, one after the other, and returns how long it took in the middle case.
func median(do func() error) (time.Duration, error) {
	all := make([]time.Duration, times)
	for i := range all {
		began := time.Now()
		if err := do(); err != nil {
			return 0, err
		}
		all[i] = time.Since(began)
	}
	slices.Sort(all)
	return all[times/2], nil
}
