//go:build unix

package e2e

import (
	"bufio"
	"bytes"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"
)

// readOne runs a command, reads a line of what it prints and closes the pipe, as head -1 does, or sends it a signal, and
// returns how it ended and what it said.
func readOne(t *testing.T, env []string, signal os.Signal, args ...string) (code int, said string) {
	t.Helper()
	reader, writer, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = reader.Close() }()
	var errs bytes.Buffer
	cmd := exec.Command(program, args...)
	cmd.Env, cmd.Stdout, cmd.Stderr = env, writer, &errs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer time.AfterFunc(20*time.Second, func() { _ = cmd.Process.Kill() }).Stop()
	_ = writer.Close()
	if _, err := bufio.NewReader(reader).ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	if signal != nil {
		err = cmd.Process.Signal(signal)
	} else {
		err = reader.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	return cmd.ProcessState.ExitCode(), errs.String()
}

// Whoever reads the output has enough: tail and replay end at once, without a word, even if nothing comes that they would print.
func TestReaderThatLeaves(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := start(t, dir, documentedToken)
	for i := range 3 {
		post(t, b.Callbacks+path, distinct(i))
	}
	for _, args := range [][]string{{"tail", "--since", "1h"}, {"replay", "--rate", "0.2"}} {
		if code, said := readOne(t, onBridge(b, dir), nil, args...); code != 0 || args[0] == "tail" && said != "" {
			t.Errorf("%v: ended with %d, said %q", args, code, said)
		}
	}
}

// However the demo ends, nothing of its folder, in which secrets are, is left behind.
func TestDemoLeavesNothing(t *testing.T) {
	t.Parallel()
	for name, signal := range map[string]os.Signal{
		"the reader leaves": nil, "Ctrl-C": os.Interrupt, "ended": syscall.SIGTERM, "the terminal is closed": syscall.SIGHUP,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			folder := t.TempDir()
			code, said := readOne(t, append(environment(t.TempDir()), "TMPDIR="+folder), signal, "demo")
			if left, err := os.ReadDir(folder); err != nil || len(left) > 0 {
				t.Errorf("%v is left behind: %v", left, err)
			}
			if signal == nil && (code != 0 || said != "") {
				t.Errorf("ended with %d, said %q", code, said)
			}
		})
	}
}
