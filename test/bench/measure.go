package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync/atomic"
	"time"
)

// usage is what a process has used; 0 on a system where that is unknown.
type usage struct {
	cpu            time.Duration // user and system
	peak, resident int64         // bytes of memory, maximum and current
}

// measurement is one subject under one load.
type measurement struct {
	rate     float64       // answers a second
	p50, p99 time.Duration // latency
	cpu      time.Duration // of the server, for each request
	own      time.Duration // of this program, for each request
	peak     int64         // maximum bytes of memory, since its start
	disk     float64       // bytes of all files, for each event
	events   int           // answered with 200 since its start
	ids      int           // of them, those with an id in the duplicates window
	refused  int           // not answered with 200
}

// results are those of a run; the index of each list is the round.
type results struct {
	began    time.Time
	measured map[string]map[int][]measurement // by subject and number of connections
	idle     []int64                          // bytes of memory of an idle bridge
	lone     []lone
}

// measure runs all rounds. Each has another order of the subjects, so that other load on the machine does not affect always the same one.
func (p plan) measure(ctx context.Context, progress io.Writer) (*results, error) {
	r := &results{began: time.Now(), measured: map[string]map[int][]measurement{}}
	for _, s := range p.subjects {
		r.measured[s.name] = map[int][]measurement{}
	}
	for round := range p.rounds {
		alone, err := p.publishAlone(ctx)
		if err != nil {
			return nil, fmt.Errorf("a single publish: %w", err)
		}
		r.lone = append(r.lone, alone)
		idle, err := p.idle(ctx)
		if err != nil {
			return nil, fmt.Errorf("an idle bridge: %w", err)
		}
		r.idle = append(r.idle, idle)
		for _, s := range inRound(p.subjects, round) {
			for _, connections := range p.connections {
				m, err := p.one(ctx, s, connections)
				if err != nil {
					return nil, fmt.Errorf("%s, %s: %w", s.name, plural(connections, "connection"), err)
				}
				r.measured[s.name][connections] = append(r.measured[s.name][connections], m)
				_, _ = fmt.Fprintf(progress, "round %d of %d  %-16s  %3d connections  %6.0f/s\n", round+1, p.rounds, s.name, connections, m.rate)
			}
		}
	}
	return r, nil
}

// inRound returns the subjects in the order of a round: each begins with another one, and every second is reversed.
func inRound(all []subject, round int) []subject {
	from := round * 2 % len(all)
	order := append(slices.Clone(all[from:]), all[:from]...)
	if round%2 == 1 {
		slices.Reverse(order)
	}
	return order
}

// one measures a subject in a folder and a process of its own.
func (p plan) one(ctx context.Context, s subject, connections int) (m measurement, err error) {
	folder, err := os.MkdirTemp(p.dir, "subject-")
	if err != nil {
		return m, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	front, others, err := p.launch(ctx, s, folder)
	if err != nil {
		return m, err
	}
	defer func() {
		stop(append(others, front)...)
		if err != nil {
			err = fmt.Errorf("%w; the end of its log: %s", err, front.last)
		}
	}()
	var records atomic.Int64
	l, err := dial(ctx, front.callbacks, p.callback, connections, &records)
	if err != nil {
		return m, err
	}
	defer l.close()
	if _, err := l.run(ctx, p.warm); err != nil {
		return m, err
	}
	warm, refused := l.count()
	before, ownBefore, err := front.usage()
	if err != nil {
		return m, err
	}
	took, err := l.run(ctx, p.load)
	if err != nil {
		return m, err
	}
	after, ownAfter, err := front.usage()
	if err != nil {
		return m, err
	}
	answers, more := l.count()
	m = measurement{peak: after.peak, refused: refused + more, events: warm + answers - refused - more}
	if answers == more || m.events == 0 {
		return m, errors.New("all callbacks were refused")
	}
	m.rate = float64(answers-more) / took.Seconds()
	m.cpu, m.own = (after.cpu-before.cpu)/time.Duration(answers), (ownAfter.cpu-ownBefore.cpu)/time.Duration(answers)
	m.p50, m.p99 = l.quantiles()
	if p.callback.repeatable && s.bridge {
		m.ids = m.events
	}
	bytes, err := size(folder)
	m.disk = float64(bytes) / float64(m.events)
	return m, err
}

// usage returns what a server has used so far, and what this program has.
func (p *process) usage() (its, own usage, err error) {
	if its, err = usageOf(p.cmd.Process.Pid); err != nil {
		return its, own, err
	}
	own, err = usageOf(os.Getpid())
	return its, own, err
}

// count returns how many requests of the last run were answered, and how many of them other than with 200.
func (l *load) count() (answers, refused int) {
	for _, s := range l.senders {
		answers += len(s.latencies)
		refused += s.refused
	}
	return answers, refused
}

// quantiles returns the median and the 99th percentile of all latencies of the last run.
func (l *load) quantiles() (p50, p99 time.Duration) {
	var all []time.Duration
	for _, s := range l.senders {
		all = append(all, s.latencies...)
	}
	slices.Sort(all)
	return all[len(all)/2], all[len(all)*99/100]
}
