//go:build linux

package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"time"
)

// process is a running program, and the end of its log.
type process struct {
	name   string
	cmd    *exec.Cmd
	log    *logTail
	exited chan struct{} // closed when it has exited; err then says how
	err    error
}

// run starts a program; heard is called with each line of its log.
func run(ctx context.Context, name, path string, args, env []string, heard func(line []byte)) (*process, error) {
	p := &process{name: name, cmd: exec.CommandContext(ctx, path, args...), log: &logTail{heard: heard}, exited: make(chan struct{})}
	p.cmd.Env, p.cmd.Stderr = env, p.log
	p.cmd.WaitDelay = time.Second
	if err := p.cmd.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.exited)
	}()
	return p, nil
}

// signal sends a signal; it returns an error if the process has exited.
func (p *process) signal(signal syscall.Signal) error {
	if err := p.cmd.Process.Signal(signal); err != nil {
		return fmt.Errorf("send %s to %s: %w%s", signal, p.name, err, p.log.end())
	}
	return nil
}

// kill kills the process with SIGKILL, and returns when it has exited.
func (p *process) kill() error {
	err := p.signal(syscall.SIGKILL)
	<-p.exited
	return err
}

// ends returns how the process exits, or an error if it does not exit in time.
func (p *process) ends(ctx context.Context, within time.Duration) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	select {
	case <-p.exited:
		return p.err
	case <-ctx.Done():
		return fmt.Errorf("%s did not exit within %s%s", p.name, within, p.log.end())
	}
}

// stop sends SIGTERM, and returns an error unless the process then exits with code 0.
func (p *process) stop(ctx context.Context) error {
	if err := p.signal(syscall.SIGTERM); err != nil {
		return err
	}
	if err := p.ends(ctx, 40*time.Second); err != nil {
		return fmt.Errorf("%s after SIGTERM: %w%s", p.name, err, p.log.end())
	}
	return nil
}

// ended reports whether the process has exited.
func (p *process) ended() bool {
	select {
	case <-p.exited:
		return true
	default:
		return false
	}
}

// close kills the process if it still runs.
func (p *process) close() {
	_ = p.cmd.Process.Kill()
	<-p.exited
}

// logTail keeps the last lines of a log that are not about a single callback.
type logTail struct {
	heard func(line []byte) // nil: not called

	mu      sync.Mutex
	partial []byte
	last    []string
	failed  string // the last line about a callback that could not be stored
}

// tailLines is how many lines of a log are kept for errors.
const tailLines = 12

// Write implements io.Writer.
func (l *logTail) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.partial = append(l.partial, p...)
	for {
		line, rest, whole := bytes.Cut(l.partial, []byte("\n"))
		if !whole {
			return len(p), nil
		}
		switch {
		case bytes.Contains(line, []byte(`"msg":"callback failed"`)):
			l.failed = string(line)
		case !bytes.Contains(line, []byte(`"msg":"callback `)):
			if l.heard != nil {
				l.heard(line)
			}
			if l.last = append(l.last, string(line)); len(l.last) > tailLines {
				l.last = l.last[1:]
			}
		}
		l.partial = append(l.partial[:0], rest...)
	}
}

// end returns the end of the log, for an error.
func (l *logTail) end() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	lines := l.last
	if l.failed != "" {
		lines = append(lines[:len(lines):len(lines)], l.failed)
	}
	if len(lines) == 0 {
		return ""
	}
	return "; its log ends with\n  " + strings.Join(lines, "\n  ")
}

// until returns when ok returns true, or an error that names what if that takes too long.
func until(ctx context.Context, within time.Duration, what string, ok func(ctx context.Context) bool) error {
	ctx, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	for ticker := time.NewTicker(10 * time.Millisecond); ; {
		if ok(ctx) {
			ticker.Stop()
			return nil
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			ticker.Stop()
			return fmt.Errorf("%s: not within %s", what, within)
		}
	}
}

// pass waits while the load continues.
func pass(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// command runs a program to its end.
func command(ctx context.Context, name string, args ...string) error {
	if out, err := exec.CommandContext(ctx, name, args...).CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", strings.Join(append([]string{name}, args...), " "), err, bytes.TrimSpace(out))
	}
	return nil
}

// exitCode returns a program's exit code; -1 if a signal ended it.
func exitCode(err error) int {
	var exit *exec.ExitError
	switch {
	case err == nil:
		return 0
	case errors.As(err, &exit):
		return exit.ExitCode()
	}
	return -1
}
