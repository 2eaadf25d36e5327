package main

import "fmt"

// target is a bound on a figure of the bridge, as a ratio within one run where possible.
type target struct {
	says       string
	of         func(*results) spread
	bound      float64
	least      bool // the bound is a minimum
	verb, unit string
}

var targets = []target{
	{"requests/s at 256 connections / `floor`", ratio(256, committed, floorNoSync, rate), 0.80, true, "%.2f", ""},
	{"requests/s at 256 connections / `floor SyncAlways`", ratio(256, committed, floorSynced, rate), 5, true, "%.1f", ""},
	{"requests/s at 64 connections / `floor`", ratio(64, committed, floorNoSync, rate), 0.55, true, "%.2f", ""},
	{"requests/s at 64 connections / `floor SyncAlways`", ratio(64, committed, floorSynced, rate), 4, true, "%.1f", ""},
	{"p50 latency of 1 connection / one publish and fdatasync", againstLone, 1.5, false, "%.2f", ""},
	{"CPU of a request at 256 connections / `floor`", ratio(256, committed, floorNoSync, cpu), 1.3, false, "%.2f", ""},
	{"peak RSS at 256 connections, less 145 B for each id in the duplicates window", peakBeyondIDs, 120, false, "%.0f", " MB"},
	{"RSS of an idle bridge", func(r *results) spread { return spreadOf(r.idle, mb) }, 40, false, "%.0f", " MB"},
}

func (t target) wants() string {
	sign := "≤"
	if t.least {
		sign = "≥"
	}
	return sign + " " + fmt.Sprintf(t.verb, t.bound) + t.unit
}

// verdict judges the median.
func (t target) verdict(have spread) string {
	switch {
	case !have.known():
		return "not measured"
	case t.least && have.middle >= t.bound, !t.least && have.middle <= t.bound:
		return "reached"
	}
	return "**missed**"
}

func rate(m measurement) float64 { return m.rate }
func cpu(m measurement) float64  { return us(m.cpu) }

// ratio compares a subject with another round by round, so that other load on the machine affects both.
func ratio(connections int, name, other string, of func(measurement) float64) func(*results) spread {
	return func(r *results) spread {
		above, below := r.measured[name][connections], r.measured[other][connections]
		var ratios []float64
		for round := range min(len(above), len(below)) {
			if of(below[round]) > 0 {
				ratios = append(ratios, of(above[round])/of(below[round]))
			}
		}
		return spreadOf(ratios, func(x float64) float64 { return x })
	}
}

// againstLone compares the latency of one connection with one fsynced publish of the same round.
func againstLone(r *results) spread {
	var ratios []float64
	for round, m := range r.measured[committed][1] {
		ratios = append(ratios, us(m.p50)/us(r.lone[round].publish))
	}
	return spreadOf(ratios, func(x float64) float64 { return x })
}

// idCost is what an id in the duplicates window costs the NATS server, in bytes.
const idCost = 145

// peakBeyondIDs is the memory that does not grow with the ids in the duplicates window.
func peakBeyondIDs(r *results) spread {
	return spreadOf(r.measured[committed][256], func(m measurement) float64 {
		if m.peak == 0 {
			return 0
		}
		return mb(m.peak - idCost*int64(m.ids))
	})
}
