package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/crm-bridge/crm-bridge/test/bench/floor"
)

// times is how many measurements a median is of.
const times = 400

// eventSize is about the size of the event that the bridge makes of the notification.
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
	if l.sync, err = medianOf(func() error {
		if _, err := file.Write(make([]byte, 1024)); err != nil {
			return err
		}
		return floor.Datasync(file)
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
	s, err := floor.OpenNATS(dir, always)
	if err != nil {
		return 0, err
	}
	defer func() {
		s.Shutdown()
		s.WaitForShutdown()
	}()
	conn, js, err := floor.Connect(ctx, s, false)
	if err != nil {
		return 0, err
	}
	defer conn.Close()
	event := bytes.Repeat([]byte("x"), eventSize)
	publish := func() error {
		_, err := js.Publish(ctx, floor.Subject, event)
		return err
	}
	if err := publish(); err != nil {
		return 0, err
	}
	if always {
		return medianOf(publish)
	}
	block, err := os.OpenFile(floor.Block(dir, 1), os.O_RDWR, 0)
	if err != nil {
		return 0, err
	}
	defer func() { _ = block.Close() }()
	return medianOf(func() error {
		if err := publish(); err != nil {
			return err
		}
		return floor.Datasync(block)
	})
}

// medianOf calls do many times, one after the other, and returns the median of its durations.
func medianOf(do func() error) (time.Duration, error) {
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
