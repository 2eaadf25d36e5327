package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// process is a server in a process of its own.
type process struct {
	cmd             *exec.Cmd
	callbacks, nats string // where it listens
	drained         chan struct{}
	last            []byte // the end of its log; read it when drained is closed
}

// launch starts a subject with its data below folder, and the remote behind it, if any, as one of others. Call stop for all of them.
func (p plan) launch(ctx context.Context, s subject, folder string) (front *process, others []*process, err error) {
	own, err := os.Executable()
	if err != nil {
		return nil, nil, err
	}
	if !s.bridge {
		front, err = start(ctx, own, append(s.args, "-dir", filepath.Join(folder, "data")), nil)
		return front, nil, err
	}
	env := append([]string{
		"BRIDGE_DATA_DIR=" + filepath.Join(folder, "data"), "BRIDGE_LISTEN=127.0.0.1:0", "BRIDGE_ADMIN_LISTEN=127.0.0.1:0",
		"BRIDGE_NATS_LISTEN=127.0.0.1:0",
	}, slices.Concat(environment, s.env)...)
	if s.remote {
		behind, err := start(ctx, own, []string{"remote", "-dir", filepath.Join(folder, "remote")}, nil)
		if err != nil {
			return nil, nil, err
		}
		others = append(others, behind)
		env = append(env, "BRIDGE_NATS_URL="+behind.nats)
	}
	if front, err = start(ctx, cmp.Or(s.built, p.program), nil, env); err != nil {
		stop(others...)
	}
	return front, others, err
}

// start starts a program, and returns when it serves.
func start(ctx context.Context, program string, args, env []string) (*process, error) {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = append(os.Environ(), env...)
	if _, err := cmd.StdinPipe(); err != nil { // servers of this program exit when it is closed
		return nil, err
	}
	read, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	cmd.Stderr = write
	widen(write)
	err = cmd.Start()
	_ = write.Close()
	if err != nil {
		return nil, errors.Join(err, read.Close())
	}
	lines := json.NewDecoder(read)
	for {
		var line struct{ Msg, Error, Callbacks, NATS string }
		if err := lines.Decode(&line); err != nil {
			rest, _ := io.ReadAll(io.MultiReader(lines.Buffered(), read))
			_ = cmd.Process.Kill()
			return nil, fmt.Errorf("%s does not start: %s %s %s: %w", filepath.Base(program), line.Msg, line.Error, bytes.TrimSpace(rest), errors.Join(err, cmd.Wait(), read.Close()))
		}
		if line.Msg == "serving" {
			p := &process{cmd: cmd, callbacks: strings.TrimPrefix(line.Callbacks, "http://"), nats: line.NATS, drained: make(chan struct{})}
			go p.drain(read)
			return p, nil
		}
	}
}

// drainEvery is how often a log is read: often enough that no server waits for it, and rarely enough to cost little.
const drainEvery = 10 * time.Millisecond

// drain reads a log until the process exits, in large pieces.
func (p *process) drain(log *os.File) {
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

// stop kills processes: their folders are removed anyway.
func stop(all ...*process) {
	for _, p := range all {
		_ = p.cmd.Process.Kill()
		_ = p.cmd.Wait()
		<-p.drained
	}
}
