package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os/exec"
	"path/filepath"
	"regexp"
	"time"
)

// background is a kubectl that goes on while something is reached through it. Who starts it closes it.
type background struct {
	cmd    *exec.Cmd
	output io.ReadCloser
	read   chan struct{} // closed when its output has ended
}

// proxy starts a kubectl that forwards requests to the Services of the namespace, and to nothing else, from a socket which only this
// user can open.
func (s *site) proxy(ctx context.Context) (*background, string, error) {
	socket := filepath.Join(s.folder, "proxy.sock")
	p, _, err := s.start(ctx, regexp.MustCompile(`Starting to serve`), "proxy", "--unix-socket", socket,
		"--accept-paths", "^/api/v1/namespaces/"+s.namespace+"/services/")
	return p, socket, err
}

// forward starts a kubectl that forwards a free local port to a port of a pod, and returns the local address.
func (s *site) forward(ctx context.Context, pod string, port int) (*background, string, error) {
	p, found, err := s.start(ctx, regexp.MustCompile(`Forwarding from (127\.0\.0\.1:\d+) `), "port-forward", "--address", "127.0.0.1", "pod/"+pod, fmt.Sprintf(":%d", port))
	if err != nil {
		return nil, "", err
	}
	return p, found[1], nil
}

// startWithin is how long kubectl may take until it forwards.
const startWithin = 20 * time.Second

// start runs kubectl until it is closed, and returns when it has printed a line that matches.
func (s *site) start(ctx context.Context, ready *regexp.Regexp, args ...string) (*background, []string, error) {
	b := &background{cmd: exec.CommandContext(ctx, "kubectl", s.kubectlArgs(args)...), read: make(chan struct{})} //nolint:gosec // G702: its flags name the cluster
	var err error
	if b.output, err = b.cmd.StdoutPipe(); err != nil {
		return nil, nil, err
	}
	b.cmd.Stderr = b.cmd.Stdout
	if err := b.cmd.Start(); err != nil {
		return nil, nil, fmt.Errorf("start kubectl: %w", err)
	}
	found := make(chan []string, 1)
	go func() {
		defer close(b.read)
		lines := bufio.NewScanner(b.output)
		for lines.Scan() {
			if match := ready.FindStringSubmatch(lines.Text()); match != nil {
				select {
				case found <- match:
				default:
				}
			}
		}
	}()
	timer := time.NewTimer(startWithin)
	defer timer.Stop()
	select {
	case match := <-found:
		return b, match, nil
	case <-b.read:
		err = errors.New("it ended")
	case <-timer.C:
		err = fmt.Errorf("it was not ready within %s", startWithin)
	}
	b.close()
	return nil, nil, fmt.Errorf("kubectl %s: %w", args[0], err)
}

// close ends kubectl, and returns when it has ended.
func (b *background) close() {
	_ = b.cmd.Process.Kill()
	<-b.read
	_ = b.cmd.Wait()
}
