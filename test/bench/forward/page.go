package main

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"time"
)

// The marks around the part of a page that this program writes.
const (
	pageBegin = "<!-- measured by go run ./test/bench/forward -write docs/performance.md: do not edit -->\n"
	pageEnd   = "<!-- end of what was measured of forwarding -->\n"
)

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
		write("| %s | %s | %s |\n", row.name, spread(row.all, func(m measurement) float64 { return m.rate }, "%.0f"),
			spread(row.all, func(m measurement) float64 { return float64(m.cpu.Nanoseconds()) / 1e3 }, "%.1f"))
	}
	for _, row := range []struct {
		name string
		than []measurement
	}{{"the bridge / from memory", m.memory}, {"the bridge / pulled", m.pull}} {
		var rates, cpu []float64
		for i, one := range m.bridge {
			rates, cpu = append(rates, one.rate/row.than[i].rate), append(cpu, float64(one.cpu)/float64(row.than[i].cpu))
		}
		write("| %s, round by round | %s | %s |\n", row.name, spread(rates, itself, "%.2f"), spread(cpu, itself, "%.2f"))
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
		write("| %s | %s | %s | %s |\n", row.name, spread(row.all, func(m liveMeasurement) float64 { return m.answers }, "%.0f"),
			spread(row.all, func(m liveMeasurement) float64 { return m.forwarded }, "%.0f"), spread(row.all, func(m liveMeasurement) float64 { return m.took.Seconds() }, "%.1f"))
	}
	var kept []float64
	for i, one := range m.beside {
		kept = append(kept, one.answers/m.alone[i].answers)
	}
	write("| ratio, round by round | %s | | |\n", spread(kept, itself, "%.2f"))
}

func itself(value float64) float64 { return value }

func spread[T any](all []T, of func(T) float64, verb string) string {
	values := make([]float64, len(all))
	for i, one := range all {
		values[i] = of(one)
	}
	slices.Sort(values)
	middle := (values[(len(values)-1)/2] + values[len(values)/2]) / 2
	return fmt.Sprintf(verb+" ("+verb+"–"+verb+")", middle, values[0], values[len(values)-1])
}

// rewrite replaces the text between the marks of a page.
func rewrite(path, text string) error {
	page, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("-write: %w", err)
	}
	before, rest, begins := strings.Cut(string(page), pageBegin)
	_, after, ends := strings.Cut(rest, pageEnd)
	if !begins || !ends {
		return fmt.Errorf("-write: %s has no lines %q and %q", path, strings.TrimSpace(pageBegin), strings.TrimSpace(pageEnd))
	}
	return os.WriteFile(path, []byte(before+pageBegin+"\n"+text+"\n"+pageEnd+after), 0o644) //nolint:gosec // a page of the documentation
}
