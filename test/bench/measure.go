package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"

	"github.com/crm-bridge/crm-bridge/test/bench/load"
	"github.com/crm-bridge/crm-bridge/test/bench/process"
)

// one measures a subject in a folder and a process of its own, and profiles it into a file, if one is named.
func (p plan) one(ctx context.Context, s subject, w workload, profile string) (m measurement, err error) {
	folder, err := os.MkdirTemp(p.dir, "subject-")
	if err != nil {
		return m, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	front, others, err := p.launch(ctx, s, w, folder)
	if err != nil {
		return m, err
	}
	defer func() {
		if last := process.Stop(append(others, front)...); err != nil {
			err = fmt.Errorf("%w; the end of its log: %s", err, last)
		}
	}()
	address := front.Address()
	var numbers atomic.Int64
	l, err := load.Dial(ctx, address, p.callback.request(address, w), w.connections, &numbers)
	if err != nil {
		return m, err
	}
	defer l.Close()
	if _, err := l.Run(ctx, p.warm); err != nil {
		return m, err
	}
	warm, refusedWarm := l.Count()
	loaded := func() error { return p.underLoad(ctx, front, l, &m) }
	if profile == "" {
		err = loaded()
	} else {
		err = front.Profile(ctx, profile, loaded)
	}
	if err != nil {
		return m, err
	}
	answers, _ := l.Count()
	m.refused += refusedWarm
	stored := warm + answers - m.refused
	if p.callback.repeatable && s.bridge {
		m.ids = stored
		if w.perRecord {
			m.ids *= w.ids
		}
	}
	bytes, err := size(folder)
	m.disk = float64(bytes) / float64(stored)
	return m, err
}

// underLoad measures what a server answers and uses.
func (p plan) underLoad(ctx context.Context, front *process.Process, l *load.Load, m *measurement) error {
	before, ownBefore, err := front.Usage()
	if err != nil {
		return err
	}
	took, err := l.Run(ctx, p.load)
	if err != nil {
		return err
	}
	after, ownAfter, err := front.Usage()
	if err != nil {
		return err
	}
	answers, refused := l.Count()
	if answers == refused {
		return errors.New("all callbacks were refused")
	}
	m.rate, m.refused, m.peak = float64(answers-refused)/took.Seconds(), refused, after.Peak
	m.cpu, m.own = (after.CPU-before.CPU)/time.Duration(answers), (ownAfter.CPU-ownBefore.CPU)/time.Duration(answers)
	m.p50, m.p99 = l.Quantiles()
	return nil
}
