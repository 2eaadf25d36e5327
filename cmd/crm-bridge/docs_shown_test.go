package main

import (
	"bytes"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/bridge"
)

var (
	codeOfPage   = regexp.MustCompile("(?ms)^ *```.*?^ *```$|`[^`\n]+`")
	commandShown = regexp.MustCompile(`crm-bridge ((?:[a-z]+[,.]?(?: |$))[^\n|#;)&]*)`)
)

// textsForPeople are the texts for people, by path.
func textsForPeople(t *testing.T) map[string]string {
	t.Helper()
	texts := map[string]string{}
	for _, pattern := range []string{"../../*.md", "../../docs/*.md", "../../examples/*/*.md", "../../charts/*/*.md"} {
		paths, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		for _, path := range paths {
			text, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			texts[path] = string(text)
		}
	}
	return texts
}

// Each command that a page shows is one of the program, and its flags are the command's.
func TestDocsShowCommandsThatExist(t *testing.T) {
	root, shown := rootCommand(), 0
	for page, text := range textsForPeople(t) {
		if filepath.Base(page) == "commands.md" {
			continue // generated
		}
		for _, code := range codeOfPage.FindAllString(text, -1) {
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

// Each variable that a page names is one of the program, or of the org emea of a CRM.
func TestDocsNameVariablesThatExist(t *testing.T) {
	clean(t)
	for _, provider := range bridge.Known().Providers() {
		t.Setenv("BRIDGE_"+strings.ToUpper(provider)+"_ACCOUNTS", "emea")
	}
	var out, errs bytes.Buffer
	if code := run(t.Context(), []string{"config", "--json"}, &out, &errs); code != 0 {
		t.Fatalf("exit %d: %s", code, errs.String())
	}
	for page, text := range textsForPeople(t) {
		for _, name := range regexp.MustCompile(`BRIDGE_[A-Z0-9_]*[A-Z0-9]\b`).FindAllString(text, -1) {
			if !strings.Contains(out.String(), `"`+strings.TrimSuffix(name, "_FILE")+`"`) {
				t.Errorf("%s names %s: there is no such variable", page, name)
			}
		}
	}
}
