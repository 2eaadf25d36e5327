// Command vuln fails when a program of this repository reaches a known vulnerability. It knows the programs that people get, the
// Go that releases are built with, and the exceptions in accepted.go. The analysis is govulncheck's; the database is the module
// golang.org/x/vulndb at the version in go.mod, or with -fresh the one that the Go project publishes.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// programs are the folders of what people run, and from which module each is built.
var programs = []program{
	{"", "./cmd/crm-bridge"},
	{"examples/go-consumer", "."},
	{"examples/deals-table", "."},
	{"examples/workers", "."},
}

type program struct{ module, pattern string }

func main() {
	fresh := flag.Bool("fresh", false, "ask the database that the Go project publishes, and fail for expired exceptions")
	source := flag.Bool("source", false, "also follow the calls in the source, which takes a minute")
	flag.Parse()
	if err := run(context.Background(), *fresh, *source); err != nil {
		fmt.Fprintln(os.Stderr, "vuln:", err)
		os.Exit(1)
	}
}

// run scans the binary of every program, on request its source too, and reports to stdout.
func run(ctx context.Context, fresh, source bool) error {
	root, err := output(ctx, ".", "git", "rev-parse", "--show-toplevel")
	if err != nil {
		return err
	}
	s := scanner{database: "https://vuln.go.dev"}
	if !fresh {
		if s.database, err = pinned(ctx); err != nil {
			return err
		}
	}
	if s.goVersion, err = goOf(filepath.Join(root, ".go-version")); err != nil {
		return err
	}
	folder, err := os.MkdirTemp("", "vuln")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(folder) }()
	fmt.Printf("database %s\nstandard library of %s, which releases are built with\n", s.database, s.goVersion)
	var found []finding
	for _, p := range programs {
		module := filepath.Join(root, p.module)
		linked, err := s.binary(ctx, module, p.pattern, folder)
		if err != nil {
			return err
		}
		found = append(found, linked...)
		if !source {
			continue
		}
		called, err := s.source(ctx, module, p.pattern)
		if err != nil {
			return err
		}
		found = append(found, called...)
	}
	return judge(os.Stdout, found, accepted, fresh, time.Now())
}

// pinned returns the address of the database in the module cache, which it fills if needed.
func pinned(ctx context.Context) (string, error) {
	text, err := output(ctx, ".", "go", "mod", "download", "-json", "golang.org/x/vulndb")
	if err != nil {
		return "", err
	}
	var module struct{ Dir string }
	if err := json.Unmarshal([]byte(text), &module); err != nil {
		return "", fmt.Errorf("read what go mod download says of golang.org/x/vulndb: %w", err)
	}
	return "file://" + filepath.ToSlash(filepath.Join(module.Dir, "data/osv")), nil
}

// goOf returns the Go that releases are built with, such as go1.26.10, from a file like .go-version.
func goOf(path string) (string, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return "", err
	}
	return "go" + strings.TrimSpace(string(text)), nil
}

// judge writes a line for each vulnerability that was found, and fails for one that is not accepted. It also fails for an
// exception that nothing needs, and, with expire, for one that has expired: a pinned database must not fail by the date alone.
func judge(out io.Writer, found []finding, accepted map[string]exception, expire bool, now time.Time) error {
	var bad []string
	seen, printed := map[string]bool{}, map[string]bool{}
	for _, f := range found {
		if printed[f.OSV+f.in] { // through other functions too
			continue
		}
		seen[f.OSV], printed[f.OSV+f.in] = true, true
		e, known := accepted[f.OSV]
		over := known && now.After(e.Until.AddDate(0, 0, 1))
		verdict := "not accepted"
		switch {
		case known && over && expire:
			verdict = "no longer accepted"
		case known:
			verdict = "accepted until " + e.Until.Format(time.DateOnly) + ": " + e.Reason
		}
		if !known || over && expire {
			bad = append(bad, f.OSV)
		}
		_, _ = fmt.Fprintf(out, "%s: %s\n", f, verdict)
	}
	for _, id := range slices.Sorted(maps.Keys(accepted)) {
		if !seen[id] {
			bad = append(bad, id)
			_, _ = fmt.Fprintf(out, "%s was not found: remove its exception\n", id)
		}
	}
	slices.Sort(bad)
	if bad = slices.Compact(bad); len(bad) > 0 {
		return fmt.Errorf("%s: update the module that has it, or the Go in .go-version and the Dockerfile; .ci/vuln/accepted.go lists exceptions", strings.Join(bad, ", "))
	}
	_, err := fmt.Fprintf(out, "vulnerabilities that a program reaches: %d, all of them accepted\n", len(seen))
	return err
}

func output(ctx context.Context, folder, name string, args ...string) (string, error) {
	command := exec.CommandContext(ctx, name, args...)
	command.Dir, command.Stderr = folder, os.Stderr
	out, err := command.Output()
	if err != nil {
		return "", fmt.Errorf("%s in %s: %w", strings.Join(append([]string{name}, args...), " "), folder, err)
	}
	return strings.TrimSpace(string(out)), nil
}
