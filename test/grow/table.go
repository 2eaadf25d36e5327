package main

import (
	"fmt"
	"io"
	"runtime"
	"slices"
	"time"

	"github.com/crm-bridge/crm-bridge/test/bench/report"
)

// usage is the memory of a process, in bytes.
type usage struct{ resident, peak int64 }

// row is a line of the table: what was measured, in rounds, and what it should be at most.
type row struct {
	what   string
	rounds []float64
	most   float64 // target, in the unit; 0: none
	unit   string
}

// generated is the part of docs/performance.md that this program writes.
var generated = report.Part{
	Begin: "<!-- measured by go run ./test/grow -write docs/performance.md: do not edit -->\n",
	End:   "<!-- end of what was measured of growth -->\n",
}

// describe writes a run as Markdown.
func (p plan) describe(to io.Writer, rows []row) {
	_, _ = fmt.Fprintf(to, "Measured on %s: %d events of about %d bytes on %d subjects, %d quarantined callbacks, %d ids in the duplicates window, on %d cores; the median, followed by the minimum and the maximum:\n\n",
		time.Now().UTC().Format(time.DateOnly), p.events, len(event(0, p.subjects).Data), p.subjects, p.quarantined, p.ids, runtime.NumCPU())
	_, _ = fmt.Fprint(to, "| | measured | target | |\n|---|---|---|---|\n")
	for _, r := range rows {
		_, _ = fmt.Fprintln(to, r)
	}
}

func (r row) String() string {
	values := slices.Sorted(slices.Values(r.rounds))
	middle := (values[(len(values)-1)/2] + values[len(values)/2]) / 2
	text := fmt.Sprintf("| %s | %s %s (%s–%s) |", r.what, number(middle), r.unit, number(values[0]), number(values[len(values)-1]))
	switch {
	case values[len(values)-1] == 0: // not known on this system
		return fmt.Sprintf("| %s | – | ≤ %g %s | |", r.what, r.most, r.unit)
	case r.most == 0:
		return text + " | |"
	case middle <= r.most:
		return text + fmt.Sprintf(" ≤ %g %s | reached |", r.most, r.unit)
	}
	return text + fmt.Sprintf(" ≤ %g %s | **missed** |", r.most, r.unit)
}

// number writes a figure with three digits that count.
func number(value float64) string {
	switch {
	case value < 1:
		return fmt.Sprintf("%.2f", value)
	case value < 100:
		return fmt.Sprintf("%.1f", value)
	}
	return fmt.Sprintf("%.0f", value)
}

func mb(bytes int64) float64         { return float64(bytes) / 1e6 }
func millis(d time.Duration) float64 { return float64(d) / float64(time.Millisecond) }
