package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Each command that people see has a page, which names its flags, and no page of a hidden one is written.
func TestManPages(t *testing.T) {
	folder := t.TempDir()
	var out, errs bytes.Buffer
	if code := run(t.Context(), []string{"man", folder}, &out, &errs); code != 0 {
		t.Fatalf("exit %d, said %q", code, errs.String())
	}
	for page, want := range map[string]string{
		"crm-bridge.1":                 `.B crm\-bridge\-replay(1)`,
		"crm-bridge-send.1":            `.B \-\-count`,
		"crm-bridge-quarantine-list.1": `quarantine list`,
		"crm-bridge-replay.1":          `.B crm\-bridge\-replay\-delete(1)`,
		"crm-bridge-replay-delete.1":   `.B crm\-bridge replay delete JOB`,
		"crm-bridge-tail.1":            `.B \-\-to string`,
		"crm-bridge-config-check.1":    `.B \-\-offline`,
		"crm-bridge-completion.1":      `.B crm\-bridge completion SHELL`,
	} {
		text, err := os.ReadFile(filepath.Join(folder, page))
		if err != nil || !strings.Contains(string(text), want) {
			t.Errorf("%s does not hold %s: %v\n%s", page, want, err, text)
		}
	}
	if pages, _ := filepath.Glob(filepath.Join(folder, "crm-bridge-man*")); pages != nil {
		t.Errorf("hidden commands have pages: %s", pages)
	}
}

// No line of a text becomes a request of roff.
func TestRoff(t *testing.T) {
	if got, want := roff(".a\n.b\n'c \\d --e"), "\\&.a\n\\&.b\n\\&'c \\ed \\-\\-e"; got != want {
		t.Errorf("%q, not %q", got, want)
	}
}
