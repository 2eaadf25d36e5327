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
	Begin: "<!-- measured by go run ./test/bench/replay -write docs/performance.md: do not edit -->\n",
	End:   "<!-- end of what was measured of replay -->\n",
}

// describe writes a run as Markdown.
func (r *results) describe(to io.Writer) {
	write := func(format string, args ...any) { _, _ = fmt.Fprintf(to, format, args...) }
	write("Measured on %s: %d events of %d bytes, %d rounds, on %d cores that the NATS server shared; the median, followed by the minimum and the maximum:\n\n",
		time.Now().UTC().Format(time.DateOnly), r.events, r.size, len(r.replay), runtime.NumCPU())
	write("| | events/s | peak RSS MB |\n|---|---|---|\n")
	rate := func(m measurement) float64 { return m.rate }
	peak := func(m measurement) float64 { return float64(m.peak) / 1e6 }
	write("| `crm-bridge replay --to stdout` | %s | %s |\n", report.SpreadOf(r.replay, rate).With("%.0f", ""), report.SpreadOf(r.replay, peak).With("%.0f", ""))
	write("| a bare ordered consumer of nats.go that counts | %s | %s |\n", report.SpreadOf(r.bare, rate).With("%.0f", ""), report.SpreadOf(r.bare, peak).With("%.0f", ""))
	var ratios []measurement
	for i, m := range r.replay {
		ratios = append(ratios, measurement{rate: m.rate / r.bare[i].rate})
	}
	write("| ratio, round by round | %s | |\n", report.SpreadOf(ratios, rate).With("%.2f", ""))
}
