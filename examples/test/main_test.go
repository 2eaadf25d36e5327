// Package test runs the examples as separate programs, with the built bridge, and kills them all.
package test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// programs is the folder of the built programs.
var programs string

func TestMain(m *testing.M) {
	code, err := built(m.Run)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		code = 1
	}
	os.Exit(code)
}

// built builds all programs in a folder that exists while run runs.
func built(run func() int) (code int, err error) {
	if programs, err = os.MkdirTemp("", "crm-bridge-examples-"); err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(programs)) }()
	for name, folder := range map[string]string{"crm-bridge": "../..", "go-consumer": "../go-consumer", "deals-table": "../deals-table", "workers": "../workers"} {
		build := exec.Command("go", "build", "-o", filepath.Join(programs, name), ".")
		if build.Dir = folder; name == "crm-bridge" {
			build.Args[4] = "./cmd/crm-bridge"
		}
		if out, err := build.CombinedOutput(); err != nil {
			return 0, fmt.Errorf("build %s: %w\n%s", name, err, out)
		}
	}
	if _, err := os.Stat("../js-consumer/node_modules"); err != nil {
		return 0, fmt.Errorf("run npm ci in examples/js-consumer first: %w", err)
	}
	return run(), nil
}
