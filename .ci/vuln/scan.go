package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"golang.org/x/vuln/scan"
)

// scanner runs govulncheck.
type scanner struct {
	database  string // its address
	goVersion string // whose standard library is judged, whatever Go is on this machine
}

// finding is a vulnerability in a function that a program reaches.
type finding struct {
	OSV   string
	Fixed string `json:"fixed_version"`
	Trace []struct{ Module, Version, Package, Function string }
	in    string
}

func (f finding) String() string {
	at, fixed := f.Trace[0], "no version"
	if f.Fixed != "" {
		fixed = f.Fixed
	}
	return fmt.Sprintf("%s in %s@%s, fixed in %s, reached by %s through %s.%s", f.OSV, at.Module, at.Version, fixed, f.in, at.Package, at.Function)
}

// source finds what the packages of a module call.
func (s scanner) source(ctx context.Context, module, pattern string) ([]finding, error) {
	return s.findings(ctx, "the source of "+programName(module, pattern), append(os.Environ(), "GOVERSION="+s.goVersion), "-C", module, pattern)
}

var builtWith = regexp.MustCompile(`"goVersion":"[^"]*"`)

// binary builds a program in folder and finds what is linked into it.
func (s scanner) binary(ctx context.Context, module, pattern, folder string) ([]finding, error) {
	name := programName(module, pattern)
	built, extract := filepath.Join(folder, name), filepath.Join(folder, name+".extract")
	if _, err := output(ctx, module, "go", "build", "-o", built, pattern); err != nil {
		return nil, err
	}
	contents, err := s.govulncheck(ctx, os.Environ(), "-mode", "extract", built)
	if err != nil {
		return nil, err
	}
	// The Go of this machine built it, not that of releases.
	contents = builtWith.ReplaceAll(contents, []byte(`"goVersion":"`+s.goVersion+`"`))
	if err := os.WriteFile(extract, contents, 0o600); err != nil {
		return nil, err
	}
	return s.findings(ctx, name, os.Environ(), "-mode", "binary", extract)
}

func programName(module, pattern string) string { return filepath.Base(filepath.Join(module, pattern)) }

// findings are those in a function; a module or a package alone may be required and never called.
func (s scanner) findings(ctx context.Context, in string, env []string, args ...string) (found []finding, err error) {
	report, err := s.govulncheck(ctx, env, append([]string{"-format", "json", "-db", s.database}, args...)...)
	if err != nil {
		return nil, err
	}
	for messages := json.NewDecoder(bytes.NewReader(report)); ; {
		var message struct{ Finding *finding }
		if err := messages.Decode(&message); errors.Is(err, io.EOF) {
			return found, nil
		} else if err != nil {
			return nil, fmt.Errorf("read govulncheck's report: %w", err)
		}
		if f := message.Finding; f != nil && len(f.Trace) > 0 && f.Trace[0].Function != "" {
			f.in = in
			found = append(found, *f)
		}
	}
}

func (s scanner) govulncheck(ctx context.Context, env []string, args ...string) ([]byte, error) {
	var out, problems bytes.Buffer
	command := scan.Command(ctx, args...)
	command.Env, command.Stdin, command.Stdout, command.Stderr = env, strings.NewReader(""), &out, &problems
	err := command.Start()
	if err == nil {
		err = command.Wait()
	}
	if err != nil {
		return nil, fmt.Errorf("govulncheck %s: %w %s", strings.Join(args, " "), err, problems.String())
	}
	return out.Bytes(), nil
}
