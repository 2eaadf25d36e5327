//go:build linux

// Command faults injects faults under a loaded bridge, and compares every 200 with what the stream holds afterwards.
//
// Each scenario loads a real bridge, and a real broker if it has one, with distinguishable callbacks, and keeps a ledger of the answers.
// Then the power is cut, a process killed, the remote or the path to it lost, or the disk filled. In the end every event that was
// answered 200 must be in the stream. Events that are stored twice or out of order are counted, and are a violation unless the scenario
// explains them. One power cut is a control without a guarantee, which must lose events.
//
// It needs Linux, and root for mounts; without root those scenarios are skipped, as the table shows. Run it in its own folder: go run .
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"regexp"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

func main() {
	s := settings{given: &atomic.Int64{}}
	only := flag.String("only", "", "play only the scenarios whose fault and way match this regular expression")
	flag.DurationVar(&s.load, "load", 700*time.Millisecond, "load before each fault")
	flag.IntVar(&s.rounds, "rounds", 2, "kills or stops in each scenario")
	flag.IntVar(&s.cuts, "cuts", 2, "power cuts for each way")
	flag.IntVar(&s.connections, "connections", 32, "connections that send at once")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := playAll(ctx, s, *only); err != nil {
		fmt.Fprintln(os.Stderr, "faults:", err)
		stop()
		os.Exit(1)
	}
}

// playAll plays the scenarios one after the other, those that mostly wait in parallel, and prints their table.
func playAll(ctx context.Context, s settings, only string) (err error) {
	wanted, err := regexp.Compile(only)
	if err != nil {
		return fmt.Errorf("-only: %w", err)
	}
	folder, err := os.MkdirTemp("", "crm-bridge-faults-")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	if s.bridge, s.broker, err = build(ctx, folder); err != nil {
		return err
	}
	rows := make([]row, len(scenarios))
	failed := make([]string, len(scenarios))
	play := func(waits bool) {
		for i, one := range scenarios {
			if one.waits != waits || !wanted.MatchString(one.fault+", "+one.way) || ctx.Err() != nil {
				continue
			}
			began := time.Now()
			r, err := one.on(ctx, s, folder)
			if err != nil {
				failed[i] = fmt.Sprintf("%s, %s: %v", one.fault, one.way, err)
				r.note("not finished")
			}
			rows[i] = r
			fmt.Fprintf(os.Stderr, "%5.1fs  %s, %s\n", time.Since(began).Seconds(), one.fault, one.way)
		}
	}
	var beside sync.WaitGroup
	beside.Go(func() { play(true) })
	play(false)
	beside.Wait()
	rows = slices.DeleteFunc(rows, func(r row) bool { return r.scenario.fault == "" }) // not played
	failed = slices.DeleteFunc(failed, func(text string) bool { return text == "" })
	violations, err := write(os.Stdout, rows)
	if violations = slices.Concat(failed, violations); len(violations) > 0 {
		err = errors.Join(err, fmt.Errorf("the guarantee does not hold:\n%s", strings.Join(violations, "\n")))
	}
	return errors.Join(err, ctx.Err())
}

// playWithin bounds a scenario beyond its load.
const playWithin = 3 * time.Minute

// on plays the scenario on a stage of its own, and checks the result.
func (one scenario) on(ctx context.Context, s settings, folder string) (r row, err error) {
	if one.root && os.Getuid() != 0 {
		r = row{scenario: one, skipped: true}
		r.note("skipped: needs root")
		return r, nil
	}
	ctx, cancel := context.WithTimeout(ctx, playWithin+time.Duration(10*max(s.rounds, s.cuts))*s.load)
	defer cancel()
	stage, err := openStage(s, folder)
	if err != nil {
		return row{scenario: one}, err
	}
	r, err = one.play(ctx, stage)
	r.scenario = one
	if err == nil {
		r.judge()
	}
	return r, errors.Join(err, stage.close())
}
