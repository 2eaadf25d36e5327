package test

import (
	"bytes"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// process is a program that can be killed and restarted.
type process struct {
	name string
	args []string
	env  []string
	said *said // by all its runs

	cmd    *exec.Cmd
	exited chan error
	begins int // offset in said of this run's output
}

// start starts the program, again if it was killed.
func (p *process) start(t *testing.T) {
	t.Helper()
	cmd := exec.Command(p.args[0], p.args[1:]...)
	cmd.Env = append([]string{"PATH=" + os.Getenv("PATH"), "HOME=" + os.Getenv("HOME")}, p.env...)
	cmd.Stdout, cmd.Stderr = p.said, p.said
	p.begins = len(p.said.from(0))
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan error, 1)
	go func() { exited <- cmd.Wait() }()
	p.cmd, p.exited = cmd, exited
	t.Cleanup(func() { _ = cmd.Process.Kill() })
}

// works waits until the program has written something since its start.
func (p *process) works(t *testing.T) {
	t.Helper()
	until(t, 30*time.Second, func() string { return p.name + " says nothing" }, func() bool { return len(p.said.from(p.begins)) > 0 })
}

// end sends a signal, and returns how the program exited.
func (p *process) end(t *testing.T, signal syscall.Signal) error {
	t.Helper()
	if err := p.cmd.Process.Signal(signal); err != nil {
		t.Fatalf("%s: %v\n%s", p.name, err, p.said)
	}
	select {
	case err := <-p.exited:
		return err
	case <-time.After(20 * time.Second):
		t.Fatalf("%s did not exit after %s:\n%s", p.name, signal, p.said)
		return nil
	}
}

// kill kills the program, and fails if it had already exited.
func (p *process) kill(t *testing.T) {
	t.Helper()
	if err := p.end(t, syscall.SIGKILL); err == nil || !strings.Contains(err.Error(), "killed") {
		t.Fatalf("%s had exited before it was killed: %v\n%s", p.name, err, p.said)
	}
}

// said is the output of a program.
type said struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (s *said) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.text.Write(p)
}

// from returns the output after the first n bytes.
func (s *said) from(n int) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return bytes.Clone(s.text.Bytes()[n:])
}

// String returns the end of the output.
func (s *said) String() string {
	all := s.from(0)
	return string(all[max(0, len(all)-4000):])
}

// until waits for a condition; why explains what is missing.
func until(t *testing.T, within time.Duration, why func() string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(within); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("not within %s: %s", within, why())
		}
	}
}
