package terminal

import (
	"bytes"
	"strings"
	"testing"
	"unicode/utf8"
)

// A page of 80 columns has no longer line: paragraphs are wrapped below their first word, and the longest columns of tables are cut.
func TestPageFits(t *testing.T) {
	var out bytes.Buffer
	p := NewPage(&out)
	p.width = 80
	p.Bad("Something is wrong.")
	p.Text("  do  ", strings.Repeat("many words ", 20)+strings.Repeat("x", 200))
	p.Head("streams")
	p.Table([]string{"stream", "messages", "what"}, [][]string{{"CRM", "1,204", strings.Repeat("long ", 30)}, {"CRM_QUARANTINE\x1b[2J", "7", "short"}})
	if err := p.End(); err != nil {
		t.Fatal(err)
	}
	text := out.String()
	for line := range strings.Lines(text) {
		if n := utf8.RuneCountInString(strings.TrimSuffix(line, "\n")); n > 80 || strings.HasSuffix(strings.TrimSuffix(line, "\n"), " ") {
			t.Errorf("%d columns: %q", n, line)
		}
	}
	for _, want := range []string{"Something is wrong.\n  do  many words", "\n      many words", "\n\nstreams\n  stream ", "     1,204  long", "         7  short", "…", `\x1b[2J`} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in\n%s", want, text)
		}
	}
}
