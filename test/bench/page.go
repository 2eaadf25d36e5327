package main

import (
	"fmt"
	"io"

	"github.com/crm-bridge/crm-bridge/test/bench/report"
)

// generated is the part of docs/performance.md that this program writes.
var generated = report.Part{
	Begin: "<!-- measured by make bench-page: do not edit -->\n",
	End:   "<!-- end of what was measured -->\n",
}

// page writes a run as Markdown.
type page struct {
	plan
	*results
	to io.Writer
}

func (p page) write(format string, args ...any) { _, _ = fmt.Fprintf(p.to, format, args...) }

func plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}
