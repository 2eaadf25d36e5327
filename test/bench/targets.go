package main

import (
	"fmt"
	"io"

	"github.com/crm-bridge/crm-bridge/test/bench/report"
)

// target is a bound that is wanted.
type target struct {
	says       string
	of         func(*results) report.Spread
	bound      float64
	least      bool // the bound is a minimum
	verb, unit string
}

// many sends n callbacks at once, each about one record.
func many(n int) workload { return workload{connections: n, ids: 1} }

// against returns the ratio of a figure of a subject to another's.
func against(name, other string, connections int, of func(measurement) float64) func(*results) report.Spread {
	return func(r *results) report.Spread {
		return r.ratio(cell{name, many(connections)}, cell{other, many(connections)}, of)
	}
}

// peakWith returns the memory of commit.
func peakWith(connections int) func(*results) report.Spread {
	return func(r *results) report.Spread {
		return report.SpreadOf(r.measured[cell{committed, many(connections)}], peak)
	}
}

// grows returns the ratio of commit's CPU time for a unit of work between two workloads of a part, named by their numbers of units.
func grows(large, small workload, units func(workload) int) func(*results) report.Spread {
	return func(r *results) report.Spread {
		ratio := r.ratio(cell{committed, large}, cell{committed, small}, cpu)
		by := float64(units(small)) / float64(units(large))
		return report.Spread{Least: ratio.Least * by, Middle: ratio.Middle * by, Greatest: ratio.Greatest * by}
	}
}

func bodyOf(size int) workload { return workload{connections: fewConnections, ids: 1, size: size} }
func recordsOf(ids int) workload {
	return workload{connections: fewConnections, ids: ids, perRecord: true}
}
func bytesOf(w workload) int     { return w.size }
func recordCount(w workload) int { return w.ids }

var targets = []target{
	{"`commit`: requests/s at 256 connections / `floor`", against(committed, floorNoSync, 256, rate), 0.80, true, "%.2f", ""},
	{"`commit`: requests/s at 64 connections / `floor`", against(committed, floorNoSync, 64, rate), 0.60, true, "%.2f", ""},
	{"`commit`: requests/s at 256 connections / `floor SyncAlways`", against(committed, floorSynced, 256, rate), 5, true, "%.1f", ""},
	{"`commit`: requests/s at 64 connections / `floor SyncAlways`", against(committed, floorSynced, 64, rate), 4.5, true, "%.1f", ""},
	{"`commit`: requests/s of 1 connection / `floor SyncAlways`", against(committed, floorSynced, 1, rate), 1, true, "%.2f", ""},
	{"`commit`: CPU of a request at 256 connections / `floor`", against(committed, floorNoSync, 256, cpu), 1.3, false, "%.2f", ""},
	{"`commit`: CPU of a request at 64 connections / `durable floor`", against(committed, floorGrouped, 64, cpu), 1.15, false, "%.2f", ""},
	{"`commit`: p50 of 1 connection / one publish and fdatasync", againstLone, 1.5, false, "%.2f", ""},
	{"`commit`: peak RSS at 256 connections", peakWith(256), 128, false, "%.0f", " MB"},
	{"`commit`: peak RSS at 64 connections", peakWith(64), 110, false, "%.0f", " MB"},
	{"RSS of an idle bridge", func(r *results) report.Spread { return report.SpreadOf(r.idle, mb) }, 40, false, "%.0f", " MB"},
	{"`direct`: requests/s at 64 connections / `Bento`", against(direct, peer, 64, rate), 2, true, "%.2f", ""},
	{"`direct`: CPU of a request at 64 connections / `Bento`", against(direct, peer, 64, cpu), 0.45, false, "%.2f", ""},
	{"`journal`: requests/s at 64 connections / `Bento`", against(journaled, peer, 64, rate), 2, true, "%.2f", ""},
	{"`journal`: CPU of a request at 64 connections / `Bento`", against(journaled, peer, 64, cpu), 0.45, false, "%.2f", ""},
	{"`commit`: CPU a KiB of 16 KiB bodies / 1 KiB", grows(bodyOf(16<<10), bodyOf(1<<10), bytesOf), 1, false, "%.2f", ""},
	{"`commit`: CPU a KiB of 128 KiB bodies / 16 KiB", grows(bodyOf(128<<10), bodyOf(16<<10), bytesOf), 1, false, "%.2f", ""},
	{"`commit`: CPU a KiB of 1 MiB bodies / 128 KiB", grows(bodyOf(1<<20), bodyOf(128<<10), bytesOf), 1, false, "%.2f", ""},
	{"`commit`: CPU a record of callbacks with 100 records / 1", grows(recordsOf(100), recordsOf(1), recordCount), 1, false, "%.2f", ""},
}

// againstLone compares the latency of one connection with one fsynced publish of the same round.
func againstLone(r *results) report.Spread {
	var ratios []float64
	for round, m := range r.measured[cell{committed, many(1)}] {
		if round < len(r.lone) {
			ratios = append(ratios, us(m.p50)/us(r.lone[round].publish))
		}
	}
	return report.SpreadOf(ratios, func(x float64) float64 { return x })
}

func (t target) wants() string {
	sign := "≤"
	if t.least {
		sign = "≥"
	}
	return sign + " " + fmt.Sprintf(t.verb, t.bound) + t.unit
}

// verdict judges the median.
func (t target) verdict(have report.Spread) string {
	if t.least && have.Middle >= t.bound || !t.least && have.Middle <= t.bound {
		return "reached"
	}
	return "**missed**"
}

// judge writes the targets of what was measured.
func judge(to io.Writer, r *results) {
	begun := false
	for _, t := range targets {
		have := t.of(r)
		if !have.Known() {
			continue
		}
		if !begun {
			_, _ = fmt.Fprint(to, "\n### Targets\n\n| | target | this run | |\n|---|---|---|---|\n")
			begun = true
		}
		_, _ = fmt.Fprintf(to, "| %s | %s | %s | %s |\n", t.says, t.wants(), have.With(t.verb, t.unit), t.verdict(have))
	}
}
