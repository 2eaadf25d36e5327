package simulate

import (
	"bytes"
	"os"
	"regexp"
	"strings"
	"testing"
)

// The README shows what demo prints, and what a bridge guarantees when it starts; only times, ids, sequences and folders differ.
func TestReadmeShowsTheDemo(t *testing.T) {
	readme, err := os.ReadFile("../../../README.md")
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := Demo(t.Context(), &out); err != nil {
		t.Fatal(err)
	}
	varies := regexp.MustCompile(` +[0-9.]+ ms|id \S+|sequence \d+|fsynced to \S+`)
	same := func(text string) string { return varies.ReplaceAllString(text, " *") }
	printed := same(out.String())
	_, block, _ := strings.Cut(string(readme), "$ crm-bridge demo\n")
	block, _, _ = strings.Cut(block, "```")
	lines := strings.Split(strings.TrimSpace(block), "\n")
	for line := range strings.Lines(string(readme)) {
		if _, durability, ok := strings.Cut(line, "  durability  "); ok {
			lines = append(lines, strings.TrimSpace(durability))
		}
	}
	if len(lines) < 4 {
		t.Fatalf("the README shows %q", lines)
	}
	for _, line := range lines {
		if line != "…" && !strings.Contains(printed, same(line)) {
			t.Errorf("demo does not print %q", line)
		}
	}
}
