package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"
)

// measure runs all rounds.
func (p plan) measure(ctx context.Context, progress io.Writer) (*results, error) {
	r := &results{began: time.Now(), measured: map[cell][]measurement{}}
	alone := slices.Contains(p.parts, partAlone)
	for round := range p.rounds {
		if alone {
			if err := p.measureAlone(ctx, r); err != nil {
				return nil, err
			}
		}
		for _, t := range inRound(p.tests(), round) {
			m, err := p.one(ctx, t.subject, t.workload, "")
			if err != nil {
				return nil, fmt.Errorf("%s, %s: %w", t.subject.name, t.workload, err)
			}
			c := cell{t.subject.name, t.workload}
			r.measured[c] = append(r.measured[c], m)
			_, _ = fmt.Fprintf(progress, "round %d of %d  %-16s  %-40s  %6.0f/s\n", round+1, p.rounds, c.subject, c.workload, m.rate)
		}
	}
	if slices.Contains(p.parts, partProfile) {
		for _, connections := range profiledConnections {
			seen, err := p.profile(ctx, connections)
			if err != nil {
				return nil, fmt.Errorf("profile: %w", err)
			}
			r.profiles = append(r.profiles, seen)
		}
	}
	return r, nil
}

// profiledConnections are those with which commit is profiled.
var profiledConnections = []int{64, 256}

// test is one measurement to make.
type test struct {
	subject  subject
	workload workload
}

// tests returns what a round measures: all subjects under one workload, then under the next.
func (p plan) tests() (all []test) {
	for _, part := range p.parts {
		for _, w := range p.workloads(part) {
			for _, s := range p.measures(part) {
				all = append(all, test{s, w})
			}
		}
	}
	return all
}

// inRound returns tests in the order of a round: each begins elsewhere, and every second is reversed, so that other load on the machine
// does not affect always the same subject.
func inRound(all []test, round int) []test {
	if len(all) == 0 {
		return nil
	}
	from := round * (len(all)/3 + 1) % len(all)
	order := append(slices.Clone(all[from:]), all[:from]...)
	if round%2 == 1 {
		slices.Reverse(order)
	}
	return order
}

// measureAlone measures a single caller, and an idle bridge.
func (p plan) measureAlone(ctx context.Context, r *results) error {
	alone, err := p.publishAlone(ctx)
	if err != nil {
		return fmt.Errorf("a single publish: %w", err)
	}
	idle, err := p.idleMemory(ctx)
	if err != nil {
		return fmt.Errorf("an idle bridge: %w", err)
	}
	r.lone, r.idle = append(r.lone, alone), append(r.idle, idle)
	return nil
}
