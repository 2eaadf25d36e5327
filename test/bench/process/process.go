// Package process starts servers in processes of their own, and reads what they use.
package process

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// Process is a server. Call Stop.
type Process struct {
	Callbacks string // the URL where it takes callbacks
	NATS      string // the URL of its NATS server

	cmd     *exec.Cmd
	stdin   io.WriteCloser
	drained chan struct{}
	last    []byte // the end of its log; read it when drained is closed
}

// Start starts a program that logs JSON, and returns when it logs that it is serving, and where.
func Start(ctx context.Context, program string, args, env []string) (*Process, error) {
	p, log, err := launch(ctx, program, args, env)
	if err != nil {
		return nil, err
	}
	lines := json.NewDecoder(log)
	for {
		var line struct{ Msg, Error, Callbacks, NATS string }
		if err := lines.Decode(&line); err != nil {
			_ = p.cmd.Process.Kill()
			rest, _ := io.ReadAll(io.MultiReader(lines.Buffered(), log))
			return nil, fmt.Errorf("%s does not start: %s %s %s: %w", filepath.Base(program), line.Msg, line.Error, rest, errors.Join(err, p.cmd.Wait(), log.Close()))
		}
		if line.Msg == "serving" {
			p.Callbacks, p.NATS = line.Callbacks, line.NATS
			go p.drain(log)
			return p, nil
		}
	}
}

// startTimeout is how long a program may take until it accepts connections.
const startTimeout = 20 * time.Second

// StartAt starts a program whose log is not understood, and returns when it accepts connections at an address.
func StartAt(ctx context.Context, program string, args []string, address string) (*Process, error) {
	p, log, err := launch(ctx, program, args, nil)
	if err != nil {
		return nil, err
	}
	p.Callbacks = "http://" + address
	go p.drain(log)
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	for {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
		if err == nil {
			return p, conn.Close()
		}
		select {
		case <-time.After(20 * time.Millisecond):
		case <-p.drained:
			return nil, fmt.Errorf("%s does not start: %s: %w", filepath.Base(program), p.last, p.cmd.Wait())
		case <-ctx.Done():
			Stop(p)
			return nil, fmt.Errorf("%s does not listen on %s: %s: %w", filepath.Base(program), address, p.last, ctx.Err())
		}
	}
}

// launch starts a program, and returns its log.
func launch(ctx context.Context, program string, args, env []string) (*Process, *os.File, error) {
	p := &Process{cmd: exec.CommandContext(ctx, program, args...), drained: make(chan struct{})}
	p.cmd.Env = append(os.Environ(), env...)
	var err error
	if p.stdin, err = p.cmd.StdinPipe(); err != nil { // servers of this program exit when it is closed
		return nil, nil, err
	}
	read, write, err := os.Pipe()
	if err != nil {
		return nil, nil, err
	}
	p.cmd.Stdout, p.cmd.Stderr = write, write
	widen(write)
	err = p.cmd.Start()
	_ = write.Close()
	if err != nil {
		return nil, nil, errors.Join(err, read.Close())
	}
	return p, read, nil
}

// Address is the host and port where it takes callbacks.
func (p *Process) Address() string { return strings.TrimPrefix(p.Callbacks, "http://") }

// tell writes a line to the standard input of a server.
func (p *Process) tell(line string) error {
	_, err := io.WriteString(p.stdin, line+"\n")
	return err
}

// Usage returns what a server has used so far, and what this program has.
func (p *Process) Usage() (its, own Usage, err error) {
	if its, err = UsageOf(p.cmd.Process.Pid); err != nil {
		return its, own, err
	}
	own, err = UsageOf(os.Getpid())
	return its, own, err
}

// drainEvery is how often a log is read: often enough that no server waits for it, and rarely enough to cost little.
const drainEvery = 10 * time.Millisecond

// drain reads a log until the process exits, in large pieces.
func (p *Process) drain(log *os.File) {
	defer close(p.drained)
	piece := make([]byte, pipeSize)
	for {
		n, err := log.Read(piece)
		if n > 0 {
			p.last = append(p.last[:0], piece[max(0, n-500):n]...)
		}
		if err != nil {
			_ = log.Close()
			return
		}
		time.Sleep(drainEvery)
	}
}

// Stop kills servers, whose folders are removed anyway, and returns the ends of their logs.
func Stop(all ...*Process) (last []byte) {
	for _, p := range all {
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait()
		<-p.drained
		last = append(last, p.last...)
	}
	return last
}
