package report

import (
	"fmt"
	"os"
	"strings"
)

// Part is a part of a page that a program writes, between two lines of its own.
type Part struct{ Begin, End string }

// Rewrite replaces a part of a page.
func (p Part) Rewrite(path, text string) error {
	page, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("-write: %w", err)
	}
	fresh, ok := p.between(string(page), text)
	if !ok {
		return fmt.Errorf("-write: %s has no lines %q and %q", path, strings.TrimSpace(p.Begin), strings.TrimSpace(p.End))
	}
	return os.WriteFile(path, []byte(fresh), 0o644) //nolint:gosec // a page of the documentation
}

func (p Part) between(page, text string) (string, bool) {
	before, rest, begins := strings.Cut(page, p.Begin)
	_, after, ends := strings.Cut(rest, p.End)
	return before + p.Begin + "\n" + text + "\n" + p.End + after, begins && ends
}
