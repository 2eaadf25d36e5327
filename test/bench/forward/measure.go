package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

func (m *measuring) run(ctx context.Context, rounds int) error {
	if err := fill(ctx, m.filled(), m.events); err != nil {
		return fmt.Errorf("fill the journal: %w", err)
	}
	for round := range rounds {
		turns := []struct {
			to      *[]measurement
			measure func(ctx context.Context, folder, url string) (time.Duration, error)
		}{
			{&m.bridge, m.forward},
			{&m.memory, func(ctx context.Context, _, url string) (time.Duration, error) { return m.plain(ctx, "memory", url) }},
			{&m.pull, func(ctx context.Context, folder, url string) (time.Duration, error) {
				return m.plain(ctx, "pull", url, folder)
			}},
		}
		for i := range turns {
			turn := turns[(i+round)%len(turns)]
			one, err := m.one(ctx, turn.measure)
			if err != nil {
				return err
			}
			*turn.to = append(*turn.to, one)
		}
		if m.connections == 0 {
			continue
		}
		if err := m.live(ctx); err != nil {
			return err
		}
	}
	return nil
}

// one measures one way; measure returns the CPU that it took.
func (m *measuring) one(ctx context.Context, measure func(ctx context.Context, folder, url string) (time.Duration, error)) (_ measurement, err error) {
	folder, url, end, err := m.stage(ctx)
	if err != nil {
		return measurement{}, err
	}
	defer func() { err = errors.Join(err, end()) }()
	cpu, err := measure(ctx, folder, url)
	if err != nil {
		return measurement{}, err
	}
	state, err := look(ctx, url)
	if err != nil {
		return measurement{}, err
	}
	if state.Msgs != uint64(m.events) {
		return measurement{}, fmt.Errorf("the remote holds %d events of %d", state.Msgs, m.events)
	}
	return measurement{float64(m.events) / state.LastTime.Sub(state.FirstTime).Seconds(), cpu / time.Duration(m.events)}, nil
}

// plain runs a command of this program that publishes all events.
func (m *measuring) plain(ctx context.Context, command, url string, more ...string) (time.Duration, error) {
	own, err := os.Executable()
	if err != nil {
		return 0, err
	}
	cmd := exec.CommandContext(ctx, own, append([]string{command, url, strconv.Itoa(m.events)}, more...)...)
	var errs bytes.Buffer
	cmd.Stderr = &errs
	out, err := cmd.Output()
	if err != nil {
		return 0, fmt.Errorf("%s: %w: %s", command, err, errs.String())
	}
	seconds, err := strconv.ParseFloat(strings.TrimSpace(string(out)), 64)
	return time.Duration(seconds * float64(time.Second)), err
}

// forward starts a bridge on the journal, and returns when the remote has all of it.
func (m *measuring) forward(ctx context.Context, folder, url string) (cpu time.Duration, err error) {
	bridge, err := m.start(ctx, folder, url)
	if err != nil {
		return 0, err
	}
	defer bridge.stop()
	var before time.Duration
	for begun := false; ; time.Sleep(lookEvery) {
		state, err := look(ctx, url)
		if err != nil || ctx.Err() != nil {
			return 0, errors.Join(err, ctx.Err())
		}
		if !begun && state.Msgs > 0 {
			begun, before = true, cpuOf(bridge.cmd.Process.Pid)
		}
		if state.Msgs >= uint64(m.events) {
			return cpuOf(bridge.cmd.Process.Pid) - before, nil
		}
	}
}
