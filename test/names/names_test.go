// Package names keeps the names of CRMs in their own folders: a new CRM must cost no change elsewhere.
package names

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const root = "../.."

// Only these files outside of a CRM's folder name one. Take out what no longer does; put nothing in.
var allowed = []string{
	"cmd/crm-bridge/apis.go",
	"cmd/crm-bridge/backfill_command.go",
	"cmd/crm-bridge/channels.go",
	"cmd/crm-bridge/channels_command.go",
	"cmd/crm-bridge/check.go",
	"cmd/crm-bridge/demo.go",
	"cmd/crm-bridge/demo_crm.go",
	"cmd/crm-bridge/main.go",
	"cmd/crm-bridge/replay_command.go",
	"cmd/crm-bridge/replay_plan.go",
	"cmd/crm-bridge/roundtrip.go",
	"cmd/crm-bridge/send.go",
	"cmd/crm-bridge/serve.go",
	"cmd/crm-bridge/sources.go",
	"cmd/crm-bridge/tail.go",
	"ingest/callback.go",
	"ingest/keep/keeper.go",
	"ingest/keep/metrics.go",
	"ingest/source.go",
	"ingest/vocabulary.go",
	"schemas/change.go",
	"schemas/event.go",
	"schemas/schemas.go",
	"transform/mask.go",
	"transform/redact.go",
}

// crms returns the name of each CRM that has a folder below ingest with a source, without a number at its end.
func crms(t *testing.T) (names []string) {
	t.Helper()
	folders, err := os.ReadDir(filepath.Join(root, "ingest"))
	if err != nil {
		t.Fatal(err)
	}
	for _, folder := range folders {
		if folder.IsDir() && holdsSource(t, filepath.Join(root, "ingest", folder.Name())) {
			names = append(names, strings.TrimRight(folder.Name(), "0123456789"))
		}
	}
	return names
}

// holdsSource reports whether a type in the folder has the methods of ingest.Source.
func holdsSource(t *testing.T, folder string) bool {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(folder, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	methods := map[string]int{} // of Source, by their receiver's type
	for _, path := range paths {
		file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, declaration := range file.Decls {
			method, ok := declaration.(*ast.FuncDecl)
			if !ok || method.Recv == nil || !slices.Contains([]string{"Routes", "Verify", "Decode", "Secrets"}, method.Name.Name) || strings.HasSuffix(path, "_test.go") {
				continue
			}
			receiver := method.Recv.List[0].Type
			if pointer, ok := receiver.(*ast.StarExpr); ok {
				receiver = pointer.X
			}
			if name, ok := receiver.(*ast.Ident); ok {
				methods[name.Name]++
			}
		}
	}
	for _, n := range methods {
		if n == 4 {
			return true
		}
	}
	return false
}

// checked reports whether a file must name no CRM: Go, but for tests, examples and what is generated, and what the chart renders or
// checks values with.
func checked(path string, content []byte) bool {
	switch top, _, _ := strings.Cut(path, "/"); {
	case strings.HasPrefix(path, "charts/crm-bridge/templates/"), path == "charts/crm-bridge/values.schema.json", path == "charts/crm-bridge/values.yaml":
		return true
	case top == "test", top == "examples", strings.Contains(path, "/testdata/"), strings.HasSuffix(path, "_test.go"), !strings.HasSuffix(path, ".go"):
		return false
	}
	return !slices.ContainsFunc(strings.SplitN(string(content), "\n", 20), func(line string) bool {
		return strings.HasPrefix(line, "// Code generated ") && strings.HasSuffix(line, " DO NOT EDIT.")
	})
}

// namesOne reports whether a text names a CRM, in any letter case. Comments of values.yaml may: they show examples.
func namesOne(path, text string, crms []string) bool {
	if filepath.Base(path) == "values.yaml" {
		var values strings.Builder
		for line := range strings.Lines(text) {
			if !strings.HasPrefix(strings.TrimSpace(line), "#") {
				values.WriteString(line)
			}
		}
		text = values.String()
	}
	text = strings.ToLower(text)
	return slices.ContainsFunc(crms, func(crm string) bool { return strings.Contains(text, crm) })
}

// No file outside of a CRM's folder names one, but for those that are allowed, each of which still does.
func TestOnlyItsFolderNamesACRM(t *testing.T) {
	known := crms(t)
	if len(known) < 2 {
		t.Fatalf("only the CRMs %q were found", known)
	}
	var found []string
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(root, path)
		if err != nil {
			return err
		}
		name = filepath.ToSlash(name)
		if entry.IsDir() {
			own := strings.HasPrefix(name, "ingest/") && namesOne(name, strings.Split(name, "/")[1], known)
			if own || strings.HasPrefix(entry.Name(), ".") && name != "." || entry.Name() == "node_modules" {
				return filepath.SkipDir
			}
			return nil
		}
		content, err := os.ReadFile(path)
		if err == nil && checked(name, content) && namesOne(name, string(content), known) {
			found = append(found, name)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(found)
	if difference := cmp.Diff(allowed, found); difference != "" {
		t.Errorf("a + line names a CRM (%s) outside of its folder, a - line no longer does and must leave the list:\n%s", strings.Join(known, ", "), difference)
	}
}

// The rule sees what it is for.
func TestTheRuleFindsNames(t *testing.T) {
	known := []string{"zoho"}
	for _, test := range []struct {
		path, text string
		wrong      bool
	}{
		{"cmd/crm-bridge/serve.go", "// Zoho CRM", true},
		{"cmd/crm-bridge/serve.go", `os.Getenv("BRIDGE_ZOHO_TOKENS")`, true},
		{"cmd/crm-bridge/serve.go", "package main", false},
		{"cmd/crm-bridge/serve_test.go", "// Zoho CRM", false},
		{"cmd/crm-bridge/testdata/a.go", "// Zoho CRM", false},
		{"schemas/made.go", "// Code generated by make; DO NOT EDIT.\n\nconst zoho = 1", false},
		{"docs/zoho.md", "Zoho CRM", false},
		{"examples/consumer/main.go", "crm.zoho.>", false},
		{"charts/crm-bridge/templates/NOTES.txt", "/zoho/", true},
		{"charts/crm-bridge/values.schema.json", `{"zoho": {}}`, true},
		{"charts/crm-bridge/values.yaml", "# such as BRIDGE_ZOHO_DC\nsettings: {}", false},
		{"charts/crm-bridge/values.yaml", "zoho: {}", true},
		{"charts/crm-bridge/README.md", "Zoho CRM", false},
	} {
		if got := checked(test.path, []byte(test.text)) && namesOne(test.path, test.text, known); got != test.wrong {
			t.Errorf("%s with %q is wrong: %v", test.path, test.text, got)
		}
	}
}
