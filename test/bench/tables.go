package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"
)

// describe writes a run as Markdown: the machine, the results of each subject, and the targets.
func describe(ctx context.Context, to io.Writer, p plan, r *results) {
	write := func(format string, args ...any) { _, _ = fmt.Fprintf(to, format, args...) }
	write("Measured on %s, on this machine:\n\n", r.began.UTC().Format("2006-01-02"))
	for _, fact := range machine(ctx, p) {
		write("- %s: %s\n", fact.name, fact.value)
	}
	write("- 1 KiB appended to a file and fdatasync: %s\n", spreadOf(r.lone, func(l lone) float64 { return ms(l.sync) }).with("%.2f", " ms"))
	write("- the callback: a %s, whose body has %d bytes\n", p.callback.name, len(body))
	write("\nEvery cell is the median of %s of %s each, after a warm-up of %s, followed by the minimum and the maximum.\n", plural(p.rounds, "round"), p.load, p.warm)
	write("\n| subject | its answers wait for |\n|---|---|\n")
	for _, s := range p.subjects {
		write("| `%s` | %s |\n", s.name, s.means)
	}
	for _, connections := range p.connections {
		write("\n### %s\n\n", plural(connections, "connection"))
		write("| subject | requests/s | p50 ms | p99 ms | server CPU µs/request | peak RSS MB | bytes on disk/event |\n|---|---|---|---|---|---|---|\n")
		refused, ids, own := 0, 0, []time.Duration{}
		for _, s := range p.subjects {
			all := r.measured[s.name][connections]
			cell := func(verb string, of func(measurement) float64) string { return spreadOf(all, of).with(verb, "") }
			write("| `%s` | %s | %s | %s | %s | %s | %s |\n", s.name,
				cell("%.0f", func(m measurement) float64 { return m.rate }),
				cell("%.2f", func(m measurement) float64 { return ms(m.p50) }),
				cell("%.2f", func(m measurement) float64 { return ms(m.p99) }),
				cell("%.0f", func(m measurement) float64 { return us(m.cpu) }),
				cell("%.0f", func(m measurement) float64 { return mb(m.peak) }),
				cell("%.0f", func(m measurement) float64 { return m.disk }))
			for _, m := range all {
				refused += m.refused
				own = append(own, m.own)
				if s.name == committed {
					ids = max(ids, m.ids)
				}
			}
		}
		write("\n%s not answered with 200. The load took %s µs of CPU a request. `%s` had at most %s in the duplicates window.\n",
			plural(refused, "request"), spreadOf(own, us).with("%.0f", ""), committed, plural(ids, "id"))
	}
	p.compare(to, r)
	write("\n### A single caller, and an idle bridge\n\n| | |\n|---|---|\n")
	write("| one publish, and fdatasync of the stream's block, p50 | %s |\n", spreadOf(r.lone, func(l lone) float64 { return ms(l.publish) }).with("%.2f", " ms"))
	write("| one publish with SyncAlways, p50 | %s |\n", spreadOf(r.lone, func(l lone) float64 { return ms(l.always) }).with("%.2f", " ms"))
	write("| RSS of an idle bridge after %s | %s |\n", restTime, spreadOf(r.idle, mb).with("%.0f", " MB"))
	write("\n### Targets\n\n")
	write("| of `%s` | target | this run | |\n|---|---|---|---|\n", committed)
	for _, t := range targets {
		have := t.of(r)
		write("| %s | %s | %s | %s |\n", t.says, t.wants(), have.with(t.verb, t.unit), t.verdict(have))
	}
}

// spread is the range of a figure over several rounds.
type spread struct{ least, middle, greatest float64 }

// spreadOf returns the spread of a figure over all rounds; it is unknown without rounds, or if all are 0.
func spreadOf[T any](rounds []T, of func(T) float64) spread {
	if len(rounds) == 0 {
		return spread{}
	}
	values := make([]float64, len(rounds))
	for i, round := range rounds {
		values[i] = of(round)
	}
	slices.Sort(values)
	middle := (values[(len(values)-1)/2] + values[len(values)/2]) / 2
	return spread{values[0], middle, values[len(values)-1]}
}

func (s spread) known() bool { return s != spread{} }

// with formats a spread with a verb for its numbers and a unit after its median.
func (s spread) with(verb, unit string) string {
	if !s.known() {
		return "–"
	}
	return fmt.Sprintf(verb+"%s ("+verb+"–"+verb+")", s.middle, unit, s.least, s.greatest)
}

func ms(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
func us(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }
func mb(bytes int64) float64     { return float64(bytes) / 1e6 }

func plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}
