package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

// What a person copies out of the docs does not lapse: the expiry of a channel is computed, and is one that Zoho takes.
func TestDocsHaveNoDateThatLapses(t *testing.T) {
	pages, err := filepath.Glob("../../docs/*.md")
	if err != nil || len(pages) == 0 {
		t.Fatal(pages, err)
	}
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		if date := regexp.MustCompile(`expir[a-z]*["']?[:=] *["']?20[0-9]{2}-`).Find(text); date != nil {
			t.Errorf("%s has %s", page, date)
		}
	}
	text, err := os.ReadFile("../../docs/zoho.md")
	if err != nil {
		t.Fatal(err)
	}
	line := regexp.MustCompile(`(?m)^ *(EXPIRY=\S* .*?\))`).FindSubmatch(text)
	if line == nil {
		t.Fatal("docs/zoho.md computes no expiry")
	}
	out, err := exec.Command("sh", "-c", string(line[1])+`; printf %s "$EXPIRY"`).Output()
	if err != nil {
		t.Fatal(err)
	}
	at, err := time.Parse(time.RFC3339, strings.TrimSpace(string(out)))
	if left := time.Until(at); err != nil || left < 24*time.Hour || left > 7*24*time.Hour {
		t.Errorf("%s is %s: %v", line[1], out, err)
	}
}
