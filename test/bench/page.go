package main

import (
	"fmt"
	"io"
	"os"
	"strings"
)

// page writes a run as Markdown.
type page struct {
	plan
	*results
	to io.Writer
}

func (p page) write(format string, args ...any) { _, _ = fmt.Fprintf(p.to, format, args...) }

// The marks around the part of a page that is generated.
const (
	pageBegin = "<!-- measured by make bench-page: do not edit -->\n"
	pageEnd   = "<!-- end of what was measured -->\n"
)

// rewrite replaces the text between the marks of a page.
func rewrite(path, text string) error {
	page, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("-write: %w", err)
	}
	fresh, ok := between(string(page), text)
	if !ok {
		return fmt.Errorf("-write: %s has no lines %q and %q", path, strings.TrimSpace(pageBegin), strings.TrimSpace(pageEnd))
	}
	return os.WriteFile(path, []byte(fresh), 0o644) //nolint:gosec // a page of the documentation
}

func between(page, text string) (string, bool) {
	before, rest, begins := strings.Cut(page, pageBegin)
	_, after, ends := strings.Cut(rest, pageEnd)
	return before + pageBegin + "\n" + text + "\n" + pageEnd + after, begins && ends
}
