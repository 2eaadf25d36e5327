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
	Begin: "<!-- measured by go run ./test/bench/forward -write docs/performance.md: do not edit -->\n",
	End:   "<!-- end of what was measured of forwarding -->\n",
}

// describe writes a run as Markdown.
func (m *measuring) describe(to io.Writer) {
	write := func(format string, args ...any) { _, _ = fmt.Fprintf(to, format, args...) }
	write("Measured on %s: %d events of %d bytes, %d rounds, on %d cores that the remote NATS server shared; the median, followed by the minimum and the maximum:\n\n",
		time.Now().UTC().Format(time.DateOnly), m.events, len(message(0).Data), len(m.bridge), runtime.NumCPU())
	write("| | events/s | CPU µs/event, without the remote |\n|---|---|---|\n")
	for _, row := range []struct {
		name string
		all  []measurement
	}{
		{"the bridge forwards its journal, and empties it", m.bridge},
		{"`PublishMsgAsync` of the same messages from memory", m.memory},
		{"`PublishMsgAsync` of the same messages, pulled from a journal", m.pull},
	} {
		write("| %s | %s | %s |\n", row.name, report.SpreadOf(row.all, func(m measurement) float64 { return m.rate }).With("%.0f", ""),
			report.SpreadOf(row.all, func(m measurement) float64 { return float64(m.cpu.Nanoseconds()) / 1e3 }).With("%.1f", ""))
	}
	for _, row := range []struct {
		name string
		than []measurement
	}{{"the bridge / from memory", m.memory}, {"the bridge / pulled", m.pull}} {
		var rates, cpu []float64
		for i, one := range m.bridge {
			rates, cpu = append(rates, one.rate/row.than[i].rate), append(cpu, float64(one.cpu)/float64(row.than[i].cpu))
		}
		write("| %s, round by round | %s | %s |\n", row.name, report.SpreadOf(rates, itself).With("%.2f", ""), report.SpreadOf(cpu, itself).With("%.2f", ""))
	}
	if len(m.beside) == 0 {
		return
	}
	write("\n%d connections send callbacks as fast as they are answered:\n\n", m.connections)
	write("| | answers/s | events/s that reach the remote | seconds |\n|---|---|---|---|\n")
	for _, row := range []struct {
		name string
		all  []liveMeasurement
	}{{fmt.Sprintf("until %d waiting events are caught up", m.events), m.beside}, {"afterwards", m.alone}} {
		write("| %s | %s | %s | %s |\n", row.name, report.SpreadOf(row.all, func(m liveMeasurement) float64 { return m.answers }).With("%.0f", ""),
			report.SpreadOf(row.all, func(m liveMeasurement) float64 { return m.forwarded }).With("%.0f", ""), report.SpreadOf(row.all, func(m liveMeasurement) float64 { return m.took.Seconds() }).With("%.1f", ""))
	}
	var kept []float64
	for i, one := range m.beside {
		kept = append(kept, one.answers/m.alone[i].answers)
	}
	write("| ratio, round by round | %s | | |\n", report.SpreadOf(kept, itself).With("%.2f", ""))
}

func itself(value float64) float64 { return value }
