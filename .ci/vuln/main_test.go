package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// A module that calls a function with a known vulnerability is found, in its source and in the program that it becomes, and so is
// one that the standard library has in an old Go. A module that requires the same version and calls something else is not.
func TestScanner(t *testing.T) {
	database, err := pinned(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	bad, good := scratch(t, `language.ParseAcceptLanguage("de")`), scratch(t, `language.German.String()`)
	s := scanner{database: database, goVersion: "go1.99.0"}
	const text = "GO-2022-1059" // of golang.org/x/text before 0.3.8
	if got := ids(s.source(t.Context(), bad, ".")); !slices.Contains(got, text) {
		t.Errorf("in the source there is %q, without %s", got, text)
	}
	if got := ids(s.source(t.Context(), good, ".")); len(got) > 0 {
		t.Errorf("a source that calls no vulnerable function has %q", got)
	}
	if got := ids(s.binary(t.Context(), bad, ".", t.TempDir())); !slices.Contains(got, text) {
		t.Errorf("in the program there is %q, without %s", got, text)
	}
	s.goVersion = "go1.24.7"
	const library = "GO-2025-4009" // of encoding/pem before 1.24.8
	if got := ids(s.binary(t.Context(), bad, ".", t.TempDir())); !slices.Contains(got, library) {
		t.Errorf("with an old standard library there is %q, without %s", got, library)
	}
}

// scratch writes a module with a program that prints an expression of an old golang.org/x/text, and returns its folder.
func scratch(t *testing.T, expression string) string {
	t.Helper()
	folder := t.TempDir()
	for name, text := range map[string]string{
		"go.mod": "module example.org/scratch\n\ngo 1.26\n\nrequire golang.org/x/text v0.3.7\n",
		"main.go": `package main

import (
	"encoding/pem"
	"fmt"

	"golang.org/x/text/language"
)

func main() {
	fmt.Println(` + expression + `)
	fmt.Println(pem.Decode(nil))
}
`,
	} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := output(t.Context(), folder, "go", "mod", "tidy"); err != nil {
		t.Fatal(err)
	}
	return folder
}

func ids(found []finding, err error) []string {
	if err != nil {
		return []string{err.Error()}
	}
	var list []string
	for _, f := range found {
		list = append(list, f.OSV)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

// What is found fails the scan unless it is accepted. An exception that has expired fails with a fresh database alone; one for what
// is no longer found always does.
func TestJudge(t *testing.T) {
	found := []finding{{OSV: "GO-1", in: "a", Trace: []struct{ Module, Version, Package, Function string }{{"m", "v1", "m/p", "F"}}}}
	until := map[string]exception{"GO-1": {day(2026, time.June, 1), "not called"}}
	stale := map[string]exception{"GO-1": until["GO-1"], "GO-2": until["GO-1"]}
	last, after := day(2026, time.June, 1).Add(23*time.Hour), day(2026, time.June, 2).Add(time.Hour)
	for _, c := range []struct {
		name     string
		accepted map[string]exception
		fresh    bool
		now      time.Time
		want     string
	}{
		{"not accepted", nil, false, last, "GO-1: "},
		{"accepted", until, true, last, ""},
		{"expired, pinned database", until, false, after, ""},
		{"expired, fresh database", until, true, after, "GO-1: "},
		{"no longer found", stale, false, last, "GO-2: "},
	} {
		var out strings.Builder
		err := judge(&out, found, c.accepted, c.fresh, c.now)
		if (err == nil) != (c.want == "") || err != nil && !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%s: %v, not %q\n%s", c.name, err, c.want, out.String())
		}
	}
}
