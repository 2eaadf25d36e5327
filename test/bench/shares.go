package main

import (
	"fmt"
	"strings"
	"time"
)

// ours is where the bridge's packages are.
const ours = "github.com/crm-bridge/crm-bridge/"

// programParts are the parts of the program, by the beginning of functions' names. A sample belongs to the part of its innermost function
// that has one: what the standard library and small packages do counts for their callers.
var programParts = []struct {
	name   string
	begins []string
}{
	{"fdatasync", []string{"golang.org/x/sys/unix.Fdatasync", "syscall.Fsync", "syscall.Fdatasync"}},
	{"garbage collection", []string{"runtime.gc", "runtime.bgsweep", "runtime.bgscavenge", "runtime.markroot"}},
	{"receiving: Echo, limits, the answer", []string{ours + "ingest/receive", "github.com/labstack/echo"}},
	{"authenticating and decoding", []string{ours + "ingest"}},
	{"making the event", []string{ours + "transform", "github.com/cloudevents"}},
	{"publishing and group commit", []string{ours + "publish"}},
	{"NATS server", []string{"github.com/nats-io/nats-server"}},
	{"NATS client", []string{"github.com/nats-io/nats.go"}},
	{"log", []string{"log/slog", ours + "cmd/crm-bridge/terminal"}},
	{"metrics", []string{"github.com/prometheus"}},
	{"`net/http`: reading requests, writing answers", []string{"net/http"}},
	{"wiring in `cmd`", []string{ours + "cmd", "main."}},
}

// What belongs to no part.
const (
	scheduler = "scheduler, and waking goroutines"
	otherPart = "the rest"
)

// sharesOf returns the shares of the parts of the program in what pprof -traces prints, and the share of samples that allocate.
func sharesOf(traces string) (shares map[string]float64, allocations float64, err error) {
	shares = map[string]float64{}
	total := time.Duration(0)
	_, rest, _ := strings.Cut(traces, "-----------+-")
	for sample := range strings.SplitSeq(rest, "-----------+-") {
		_, sample, _ = strings.Cut(sample, "\n")
		value, stack, _ := strings.Cut(withoutLabels(sample), " ")
		if stack == "" {
			continue
		}
		took, err := time.ParseDuration(value)
		if err != nil {
			return nil, 0, fmt.Errorf("pprof: %q is not a duration", value)
		}
		total += took
		shares[partOf(stack)] += float64(took)
		if strings.Contains(stack, "runtime.mallocgc") || strings.Contains(stack, "runtime.growslice") {
			allocations += float64(took)
		}
	}
	if total == 0 {
		return nil, 0, fmt.Errorf("pprof: no samples in %q", traces[:min(len(traces), 200)])
	}
	for part := range shares {
		shares[part] /= float64(total)
	}
	return shares, allocations / float64(total), nil
}

// withoutLabels removes the lines about a sample's labels, which come before its stack.
func withoutLabels(sample string) string {
	for {
		sample = strings.TrimSpace(sample)
		line, rest, _ := strings.Cut(sample, "\n")
		if name, _, _ := strings.Cut(line, " "); !strings.HasSuffix(name, ":") {
			return sample
		}
		sample = rest
	}
}

// partOf returns the part of the program that a stack belongs to; its innermost function comes first.
func partOf(stack string) string {
	part := otherPart
	for line := range strings.Lines(stack) {
		function := strings.TrimSpace(line)
		for _, p := range programParts {
			for _, begin := range p.begins {
				if strings.HasPrefix(function, begin) {
					return p.name
				}
			}
		}
		switch function {
		case "runtime.mcall", "runtime.schedule", "runtime.mstart", "runtime.findRunnable", "runtime.park_m":
			part = scheduler
		}
	}
	return part
}
