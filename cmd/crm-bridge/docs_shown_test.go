package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	codeOfPage   = regexp.MustCompile("(?ms)^ *```.*?^ *```$|`[^`\n]+`")
	commandShown = regexp.MustCompile(`crm-bridge ((?:[a-z]+[,.]?(?: |$))[^\n|#;)&]*)`)
)

// Each command that a page shows is one of the program, and its flags are the command's.
func TestDocsShowCommandsThatExist(t *testing.T) {
	var pages []string
	for _, pattern := range []string{"../../*.md", "../../docs/*.md", "../../examples/*/*.md", "../../charts/*/*.md"} {
		found, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		pages = append(pages, found...)
	}
	root, shown := rootCommand(), 0
	for _, page := range pages {
		if filepath.Base(page) == "commands.md" {
			continue // generated
		}
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, code := range codeOfPage.FindAllString(string(text), -1) {
			for _, match := range commandShown.FindAllStringSubmatch(strings.ReplaceAll(code, "`", "\n"), -1) {
				shown++
				words := strings.Fields(strings.NewReplacer(",", "", "'", "").Replace(match[1]))
				cmd, _, err := root.Find(words)
				if err != nil || cmd == root {
					t.Errorf("%s shows crm-bridge %s: there is no such command", page, match[1])
					continue
				}
				for _, word := range words {
					name, isFlag := strings.CutPrefix(word, "--")
					if name, _, _ = strings.Cut(name, "="); isFlag && name != "" && name != "help" && cmd.Flags().Lookup(name) == nil {
						t.Errorf("%s shows crm-bridge %s: %s has no flag --%s", page, match[1], cmd.CommandPath(), name)
					}
				}
			}
		}
	}
	if shown < 50 {
		t.Errorf("only %d commands were found", shown)
	}
}
