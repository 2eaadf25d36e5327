package main

import (
	"fmt"
	"io"
	"runtime"
	"time"

	"github.com/crm-bridge/crm-bridge/test/bench/report"
)

// generated is the part of docs/performance.md that this program writes.
var generated = report.Part{
	Begin: "<!-- measured by go run ./test/bench/records -write docs/performance.md: do not edit -->\n",
	End:   "<!-- end of what was measured of records -->\n",
}

const (
	lateTarget = time.Second // p99
	idsTarget  = 90          // records that a read has, of a hundred
)

// describe writes a run as Markdown.
func (m *measuring) describe(to io.Writer) {
	write := func(format string, args ...any) { _, _ = fmt.Fprintf(to, format, args...) }
	seconds := func(d time.Duration) string { return fmt.Sprintf("%.1f s", d.Seconds()) }
	mb := func(bytes int64) string { return fmt.Sprintf("%d MB", bytes/1e6) }
	write("Measured on %s: a CRM that answers after %s, on %d cores that it shared with the bridge:\n\n", time.Now().UTC().Format(time.DateOnly), m.delay, runtime.NumCPU())
	write("| | measured | target | |\n|---|---|---|---|\n")
	row := func(what, measured string) { write("| %s | %s | | |\n", what, measured) }
	aim := func(what, measured, target string, ok bool) {
		write("| %s | %s | %s | %s |\n", what, measured, target, map[bool]string{true: "reached", false: "**missed**"}[ok])
	}
	a := m.steady
	row(fmt.Sprintf("%d callbacks a second, %d in all: from the answer to the state, p50", m.rate, a.callbacks), fmt.Sprintf("%d ms", a.p50.Milliseconds()))
	aim("p99", fmt.Sprintf("%d ms", a.p99.Milliseconds()), "< 1000 ms", a.p99 < lateTarget)
	row("the latest", fmt.Sprintf("%d ms", a.most.Milliseconds()))
	row("reads of the API", fmt.Sprint(a.reads))
	row("CPU of the bridge, peak RSS", seconds(a.usage.CPU)+", "+mb(a.usage.Peak))
	b := m.burst
	each := float64(m.bulk) / float64(max(1, b.reads))
	row(fmt.Sprintf("%d records changed at once: until the last callback is answered", m.bulk), seconds(b.answered))
	row("until the last state is stored", seconds(b.settled))
	aim("records a read", fmt.Sprintf("%.0f (%d reads)", each, b.reads), fmt.Sprintf("≥ %d", idsTarget), each >= idsTarget)
	row("CPU of the bridge, peak RSS", seconds(b.usage.CPU)+", "+mb(b.usage.Peak))
	c := m.whole
	row(fmt.Sprintf("backfill of a module with %d records: until the command ends", m.snapshot), seconds(c.read))
	row("until the last state is stored", seconds(c.settled))
	aim("states in the stream", fmt.Sprint(c.states), fmt.Sprintf("= %d", m.snapshot), c.states == uint64(m.snapshot))
	row("calls of the API: pages, reads", fmt.Sprintf("%d, %d", c.pages, c.reads))
	row("CPU of the command, peak RSS", seconds(c.command.CPU)+", "+mb(c.command.Peak))
	row("CPU of the bridge, peak RSS", seconds(c.bridge.CPU)+", "+mb(c.bridge.Peak))
}
