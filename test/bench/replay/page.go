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
	pageBegin = "<!-- measured by go run ./test/bench/replay -write docs/performance.md: do not edit -->\n"
	pageEnd   = "<!-- end of what was measured of replay -->\n"
)

// describe writes a run as Markdown.
func (r *results) describe(to io.Writer) {
	write := func(format string, args ...any) { _, _ = fmt.Fprintf(to, format, args...) }
	write("Measured on %s: %d events of %d bytes, %d rounds, on %d cores that the NATS server shared; the median, followed by the minimum and the maximum:\n\n",
		time.Now().UTC().Format(time.DateOnly), r.events, r.size, len(r.replay), runtime.NumCPU())
	write("| | events/s | peak RSS MB |\n|---|---|---|\n")
	rate := func(m measurement) float64 { return m.rate }
	peak := func(m measurement) float64 { return float64(m.peak) / 1e6 }
	write("| `crm-bridge replay --to stdout` | %s | %s |\n", spread(r.replay, rate, "%.0f"), spread(r.replay, peak, "%.0f"))
	write("| a bare ordered consumer of nats.go that counts | %s | %s |\n", spread(r.bare, rate, "%.0f"), spread(r.bare, peak, "%.0f"))
	var ratios []measurement
	for i, m := range r.replay {
		ratios = append(ratios, measurement{rate: m.rate / r.bare[i].rate})
	}
	write("| ratio, round by round | %s | |\n", spread(ratios, rate, "%.2f"))
}

func spread(all []measurement, of func(measurement) float64, verb string) string {
	values := make([]float64, len(all))
	for i, m := range all {
		values[i] = of(m)
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
