//go:build linux

package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
)

// row is the result of one scenario.
type row struct {
	scenario scenario

	counts                          map[outcome]int
	rate                            float64 // 200 a second, during the load
	missing, dropped                int
	double, outOfOrder              int
	storedRefused, storedUnanswered int
	strange                         int
	victims                         int    // events of the record that is erased
	doubles, disorder               string // why an event may be stored twice, or after a later one; empty: it may not
	left                            string // in the journal; empty: no journal
	recovery                        time.Duration
	notes                           []string
	violations                      []string
	skipped                         bool
}

// require adds a violation unless ok.
func (r *row) require(ok bool, format string, args ...any) {
	if !ok {
		r.violations = append(r.violations, fmt.Sprintf(format, args...))
	}
}

func (r *row) note(format string, args ...any) {
	r.notes = append(r.notes, fmt.Sprintf(format, args...))
}

// judge requires what every fault must satisfy.
func (r *row) judge() {
	if r.skipped {
		return
	}
	if r.scenario.loses {
		r.require(r.missing > 0, "nothing is missing, so this control shows nothing")
	} else {
		r.require(r.missing == 0, "%d of %d events that were answered 200 are missing", r.missing, r.counts[answered])
	}
	r.require(r.strange == 0, "%d events of the stream were never sent, or have another id than their answer said", r.strange)
	r.require(r.counts[answered] > 0, "nothing was answered 200")
	r.require(r.counts[other] == 0, "%d callbacks were answered with something other than 200 and 503", r.counts[other])
	r.require(r.double == 0 || r.doubles != "", "the stream holds %d events twice", r.double)
	r.require(r.outOfOrder == 0 || r.disorder != "", "%d events are stored after later ones", r.outOfOrder)
	if r.double > 0 && r.doubles != "" {
		r.note("double: %s", r.doubles)
	}
	if r.outOfOrder > 0 && r.disorder != "" {
		r.note("out of order: %s", r.disorder)
	}
	if r.dropped > 0 {
		r.note("%d dropped at the stream's limit", r.dropped)
	}
	if r.storedRefused > 0 {
		r.note("%d of the 503 were in flight and are stored", r.storedRefused)
	}
	if r.storedUnanswered > 0 {
		r.note("%d stored whose answer was cut off", r.storedUnanswered)
	}
}

// write writes all rows as one table, and returns the violations.
func write(to io.Writer, rows []row) (violations []string, err error) {
	table := tabwriter.NewWriter(to, 0, 0, 2, ' ', 0)
	_, _ = fmt.Fprintln(table, "fault\tway\t200\t503/other\t200/s\tmissing\tdouble\tout of order\tleft\trecovery\tnote")
	for _, r := range rows {
		for _, v := range r.violations {
			violations = append(violations, fmt.Sprintf("%s, %s: %s", r.scenario.fault, r.scenario.way, v))
		}
		if r.skipped {
			_, _ = fmt.Fprintf(table, "%s\t%s\t\t\t\t\t\t\t\t\t%s\n", r.scenario.fault, r.scenario.way, strings.Join(r.notes, "; "))
			continue
		}
		left, recovery := r.left, ""
		if left == "" {
			left = "-"
		}
		if r.recovery > 0 {
			recovery = fmt.Sprintf("%.2fs", r.recovery.Seconds())
		}
		_, _ = fmt.Fprintf(table, "%s\t%s\t%d\t%d/%d\t%.0f\t%d\t%d\t%d\t%s\t%s\t%s\n", r.scenario.fault, r.scenario.way, r.counts[answered], r.counts[refused],
			r.counts[other]+r.counts[unanswered], r.rate, r.missing, r.double, r.outOfOrder, left, recovery, strings.Join(r.notes, "; "))
	}
	return violations, table.Flush()
}
