package main

import (
	"context"
	"io"
	"slices"
	"time"

	"github.com/crm-bridge/crm-bridge/test/bench/report"
)

// describe writes a run as Markdown: the machine, the results of each subject, and the targets.
func describe(ctx context.Context, to io.Writer, p plan, r *results) {
	all := page{p, r, to}
	all.begin(ctx)
	for _, connections := range p.connections {
		if slices.Contains(p.parts, partTable) {
			all.table(many(connections))
		}
	}
	all.compare()
	all.alone()
	all.bodies()
	all.records()
	judge(to, r)
	all.profile()
}

func (p page) begin(ctx context.Context) {
	p.write("Measured on %s, on this machine:\n\n", p.began.UTC().Format("2006-01-02"))
	for _, fact := range machine(ctx, p.dir) {
		p.write("- %s: %s\n", fact.name, fact.value)
	}
	if len(p.lone) > 0 {
		p.write("- 1 KiB appended to a file and fdatasync: %s\n", report.SpreadOf(p.lone, func(l lone) float64 { return ms(l.sync) }).With("%.2f", " ms"))
	}
	p.write("- the callback: a %s, whose body has %d bytes\n", p.callback.name, len(many(1).body()))
	p.write("\nEvery cell is the median of %s of %s each, after a warm-up of %s, followed by the minimum and the maximum.\n", plural(p.rounds, "round"), p.load, p.warm)
	if !slices.Contains(p.parts, partTable) {
		return
	}
	p.write("\n| subject | its answers wait for |\n|---|---|\n")
	for _, s := range p.subjects {
		p.write("| `%s` | %s |\n", s.name, s.means)
	}
}

// table shows all subjects under one workload.
func (p page) table(w workload) {
	p.write("\n### %s\n\n", plural(w.connections, "connection"))
	p.write("| subject | requests/s | p50 ms | p99 ms | server CPU µs/request | peak RSS MB | bytes on disk/event |\n|---|---|---|---|---|---|---|\n")
	refused, own := 0, []time.Duration{}
	for _, s := range p.subjects {
		all := p.measured[cell{s.name, w}]
		column := func(verb string, of func(measurement) float64) string { return report.SpreadOf(all, of).With(verb, "") }
		p.write("| `%s` | %s | %s | %s | %s | %s | %s |\n", s.name, column("%.0f", rate), column("%.2f", p50),
			column("%.2f", func(m measurement) float64 { return ms(m.p99) }), column("%.0f", cpu), column("%.0f", peak),
			column("%.0f", func(m measurement) float64 { return m.disk }))
		for _, m := range all {
			refused += m.refused
			own = append(own, m.own)
		}
	}
	ids := report.SpreadOf(p.measured[cell{committed, w}], func(m measurement) float64 { return float64(m.ids) })
	p.write("\n%s not answered with 200. The load took %s µs of CPU a request.", plural(refused, "request"), report.SpreadOf(own, us).With("%.0f", ""))
	if ids.Known() {
		p.write(" `%s` had at most %.0f ids in the duplicates window.", committed, ids.Greatest)
	}
	p.write("\n")
}

// compare shows what other builds reach of commit, round by round.
func (p page) compare() {
	begun := false
	for _, s := range p.subjects {
		if !s.bridge || s.file == "" {
			continue
		}
		for _, t := range p.tests() {
			if t.subject.name != s.name || len(p.measured[cell{committed, t.workload}]) == 0 {
				continue
			}
			if !begun {
				p.write("\n### Other builds / `%s`\n\n| build | workload | requests/s | CPU a request | p50 | peak RSS |\n|---|---|---|---|---|---|\n", committed)
				begun = true
			}
			column := func(of func(measurement) float64) string {
				return p.ratio(cell{s.name, t.workload}, cell{committed, t.workload}, of).With("%.3f", "")
			}
			p.write("| `%s` | %s | %s | %s | %s | %s |\n", s.name, t.workload, column(rate), column(cpu), column(p50), column(peak))
		}
	}
}

// alone shows a single caller, and an idle bridge.
func (p page) alone() {
	if len(p.lone) == 0 {
		return
	}
	p.write("\n### A single caller, and an idle bridge\n\n| | |\n|---|---|\n")
	p.write("| one publish, and fdatasync of the stream's block, p50 | %s |\n", report.SpreadOf(p.lone, func(l lone) float64 { return ms(l.publish) }).With("%.2f", " ms"))
	p.write("| one publish with SyncAlways, p50 | %s |\n", report.SpreadOf(p.lone, func(l lone) float64 { return ms(l.always) }).With("%.2f", " ms"))
	p.write("| RSS of an idle bridge after %s | %s |\n", restTime, report.SpreadOf(p.idle, mb).With("%.0f", " MB"))
}
