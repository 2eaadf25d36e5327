package main

import (
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/crm-bridge/crm-bridge/test/bench/report"
)

// A smoke run is short.
const (
	smokeTime   = 1500 * time.Millisecond
	smokeRounds = 3
)

// What a smoke run wants is about half of what is reached, so that a change that halves the speed fails and other load on the machine
// does not.
var smokeTargets = []target{
	{"requests/s at 64 connections / floor", against(committed, floorNoSync, 64, rate), 0.25, true, "%.2f", ""},
	{"CPU of a request at 64 connections / floor", against(committed, floorNoSync, 64, cpu), 4, false, "%.2f", ""},
}

// smoke writes what was reached, and fails where even the best round is far off.
func smoke(to io.Writer, r *results) error {
	var failed error
	for _, t := range smokeTargets {
		have := t.of(r)
		if !have.Known() {
			_, _ = fmt.Fprintf(to, "commit: %s is unknown on this system\n", t.says)
			continue
		}
		best := have.Least
		if t.least {
			best = have.Greatest
		}
		verdict := t.verdict(report.Spread{Middle: best})
		_, _ = fmt.Fprintf(to, "commit: %s: %s, best round; wanted %s: %s\n", t.says, fmt.Sprintf(t.verb, best), t.wants(), verdict)
		if verdict != "reached" {
			failed = errors.New("commit is far slower than it was: measure with make bench, and find what changed")
		}
	}
	return failed
}
