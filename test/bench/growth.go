package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/crm-bridge/crm-bridge/test/bench/report"
)

// bodies shows what larger bodies cost.
func (p page) bodies() {
	if !slices.Contains(p.parts, partBodies) {
		return
	}
	p.write("\n### Larger bodies, %s\n\n| body | subject | requests/s | CPU µs/request | CPU µs/KiB | peak RSS MB |\n|---|---|---|---|---|---|\n", plural(fewConnections, "connection"))
	for _, w := range p.workloads(partBodies) {
		for _, s := range p.measures(partBodies) {
			all := p.measured[cell{s.name, w}]
			perKiB := report.SpreadOf(all, func(m measurement) float64 { return us(m.cpu) * 1024 / float64(w.size) })
			p.write("| %s | `%s` | %s | %s | %s | %s |\n", sizeText(w.size), s.name, report.SpreadOf(all, rate).With("%.0f", ""),
				report.SpreadOf(all, cpu).With("%.0f", ""), perKiB.With("%.1f", ""), report.SpreadOf(all, peak).With("%.0f", ""))
		}
	}
}

// records shows what callbacks cost that name several records, if each makes an event.
func (p page) records() {
	if !slices.Contains(p.parts, partRecords) {
		return
	}
	p.write("\n### An event for each record, %s\n\n| records in a callback | subject | records/s | CPU µs/record | bytes on disk/record | peak RSS MB |\n|---|---|---|---|---|---|\n", plural(fewConnections, "connection"))
	for _, w := range p.workloads(partRecords) {
		each := func(of func(measurement) float64) func(measurement) float64 {
			return func(m measurement) float64 { return of(m) / float64(w.ids) }
		}
		for _, s := range p.measures(partRecords) {
			all := p.measured[cell{s.name, w}]
			perSecond := report.SpreadOf(all, func(m measurement) float64 { return m.rate * float64(w.ids) })
			p.write("| %d | `%s` | %s | %s | %s | %s |\n", w.ids, s.name, perSecond.With("%.0f", ""), report.SpreadOf(all, each(cpu)).With("%.1f", ""),
				report.SpreadOf(all, each(func(m measurement) float64 { return m.disk })).With("%.0f", ""), report.SpreadOf(all, peak).With("%.0f", ""))
		}
	}
}

// profile shows where the time goes, the largest part first.
func (p page) profile() {
	if len(p.profiles) == 0 {
		return
	}
	p.write("\n### Where the time goes\n\nShares of the CPU time of `%s`, and µs a request:\n\n| part |", committed)
	total, names := "| all |", map[string]float64{}
	for _, seen := range p.profiles {
		p.write(" %s | µs |", plural(seen.workload.connections, "connection"))
		total += fmt.Sprintf(" 100 %% | %.0f |", us(seen.cpu))
		for name, share := range seen.shares {
			names[name] = max(names[name], share)
		}
	}
	p.write("\n|---|%s\n", strings.Repeat("---|---|", len(p.profiles)))
	byShare := func(a, b string) int { return cmp.Or(cmp.Compare(names[b], names[a]), strings.Compare(a, b)) }
	for _, name := range slices.SortedFunc(maps.Keys(names), byShare) {
		p.write("| %s |", name)
		for _, seen := range p.profiles {
			p.write(" %.1f %% | %.1f |", seen.shares[name]*100, seen.shares[name]*us(seen.cpu))
		}
		p.write("\n")
	}
	p.write("%s\n| of it in all parts: allocating |", total)
	for _, seen := range p.profiles {
		p.write(" %.1f %% | %.1f |", seen.allocations*100, seen.allocations*us(seen.cpu))
	}
	p.write("\n")
}

// String describes a workload in a few words.
func (w workload) String() string {
	text := plural(w.connections, "connection")
	if w.size > 0 {
		text += ", " + sizeText(w.size)
	}
	if w.perRecord {
		text += ", " + plural(w.ids, "record")
	}
	return text
}

func sizeText(bytes int) string {
	switch {
	case bytes%(1<<20) == 0:
		return strconv.Itoa(bytes>>20) + " MiB"
	case bytes%(1<<10) == 0:
		return strconv.Itoa(bytes>>10) + " KiB"
	}
	return strconv.Itoa(bytes) + " B"
}
