package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/terminal"
	"github.com/crm-bridge/crm-bridge/publish"
)

// subjectCount is what a dry run has found on a subject.
type subjectCount struct {
	Subject  string    `json:"subject"`
	Events   uint64    `json:"events"`
	NoEvents uint64    `json:"noEvents,omitempty"`
	First    time.Time `json:"first"` // when the stream took the first of them
	Last     time.Time `json:"last"`
}

// countSubjects counts what a replay of span would give to a target. Where nothing asks for the events themselves, the
// stream sends their headers alone.
func countSubjects(ctx context.Context, span *publish.Span, selected selection, bar *terminal.Progress, total uint64) ([]subjectCount, error) {
	found := map[string]*subjectCount{}
	span.HeadersOnly = selected == selection{}
	span.Failed = bar.Again
	read := 0
	err := span.Each(ctx, func(m publish.Stored) error {
		read++
		bar.Show(read, float64(read)/float64(max(total, 1)))
		if !selected.matches(m) {
			return nil
		}
		of := found[m.Subject]
		if of == nil {
			of = &subjectCount{Subject: m.Subject, First: m.At.UTC()}
			found[m.Subject] = of
		}
		of.Last = m.At.UTC()
		if m.IsEvent() {
			of.Events++
		} else {
			of.NoEvents++
		}
		return nil
	})
	bar.End(read, 1)
	if err != nil {
		return nil, err
	}
	all := make([]subjectCount, 0, len(found))
	for _, name := range slices.Sorted(maps.Keys(found)) {
		all = append(all, *found[name])
	}
	return all, nil
}

// showCounts prints a dry run: as a table, or as JSON lines.
func showCounts(out io.Writer, all []subjectCount, asJSON bool) error {
	if asJSON {
		for _, one := range all {
			var line bytes.Buffer
			if err := terminal.JSONEncoder(&line).Encode(one); err != nil {
				return err
			}
			terminal.Say(out, "%s", terminal.VisibleJSON(line.Bytes()))
		}
		return nil
	}
	table := tabwriter.NewWriter(out, 0, 8, 2, ' ', 0)
	terminal.Say(table, "SUBJECT\tEVENTS\tFIRST\tLAST\n")
	for _, one := range all {
		count := fmt.Sprint(one.Events)
		if one.NoEvents > 0 {
			count = strings.TrimPrefix(fmt.Sprintf("%d and %d that are no events", one.Events, one.NoEvents), "0 and ")
		}
		terminal.Say(table, "%s\t%s\t%s\t%s\n", terminal.Visible(one.Subject), count, one.First.Local().Format(time.DateTime), one.Last.Local().Format(time.DateTime))
	}
	return table.Flush()
}
