package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
)

// row is the result of one fault.
type row struct {
	way    way
	fault  string
	counts counts
	notes  []string
	err    error // of the fault itself
}

// violations returns what must not be.
func (r row) violations() (failed []error) {
	if r.err != nil {
		failed = append(failed, fmt.Errorf("%s, %s: %w", r.way, r.fault, r.err))
	}
	if r.counts.missing > 0 {
		failed = append(failed, fmt.Errorf("%s, %s: %d of %d events that were answered with 200 are missing", r.way, r.fault, r.counts.missing, r.counts.outcomes[answered]))
	}
	return failed
}

// write writes all rows as one Markdown table, with their sum.
func write(to io.Writer, rows []row) error {
	table := tabwriter.NewWriter(to, 0, 0, 1, ' ', 0)
	_, _ = fmt.Fprintln(table, "| way\t| fault\t| callbacks\t| 200\t| 503\t| other\t| no answer\t| missing\t| twice\t| longest gap\t| note\t|")
	_, _ = fmt.Fprintln(table, "|---\t|---\t|---\t|---\t|---\t|---\t|---\t|---\t|---\t|---\t|---\t|")
	var sum counts
	for _, r := range rows {
		notes := strings.Join(r.notes, "; ")
		if r.err != nil {
			notes = strings.TrimPrefix(notes+"; failed", "; ")
		}
		line(table, string(r.way), r.fault, r.counts, fmt.Sprintf("%.1f s", r.counts.gap.Seconds()), notes)
		sum.sent += r.counts.sent
		sum.missing += r.counts.missing
		sum.doubled += r.counts.doubled
		for i, n := range r.counts.outcomes {
			sum.outcomes[i] += n
		}
	}
	line(table, "all", "", sum, "", "")
	return table.Flush()
}

func line(to io.Writer, way, fault string, c counts, gap, notes string) {
	_, _ = fmt.Fprintf(to, "| %s\t| %s\t| %d\t| %d\t| %d\t| %d\t| %d\t| %d\t| %d\t| %s\t| %s\t|\n", way, fault,
		c.sent, c.outcomes[answered], c.outcomes[refused], c.outcomes[other], c.outcomes[unanswered], c.missing, c.doubled, gap, notes)
}
