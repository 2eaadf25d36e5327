package main

import (
	"fmt"
	"io"
)

// besideCommit returns another build of the bridge as a subject with the settings of commit.
func besideCommit(name, file string) subject {
	s := subjects[0]
	s.name, s.built, s.means = name, file, "the same as `"+committed+"`, in another build"
	return s
}

// compare writes what other builds reach of commit, round by round.
func (p plan) compare(to io.Writer, r *results) {
	begun := false
	for _, s := range p.subjects {
		if s.built == "" || len(r.measured[committed]) == 0 {
			continue
		}
		if !begun {
			_, _ = fmt.Fprintf(to, "\n### Other builds / `%s`\n\n| build | connections | requests/s | CPU a request | p50 | peak RSS |\n|---|---|---|---|---|---|\n", committed)
			begun = true
		}
		for _, connections := range p.connections {
			cell := func(of func(measurement) float64) string {
				return ratio(connections, s.name, committed, of)(r).with("%.3f", "")
			}
			_, _ = fmt.Fprintf(to, "| `%s` | %d | %s | %s | %s | %s |\n", s.name, connections, cell(rate), cell(cpu),
				cell(func(m measurement) float64 { return us(m.p50) }), cell(func(m measurement) float64 { return mb(m.peak) }))
		}
	}
}
