//go:build linux

package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"
)

// stage is where one scenario runs: its own folder, the programs, and how to load them. Closing it stops all that it started.
type stage struct {
	settings
	folder    string
	processes []*process
	undo      []func() error
}

// settings are the program's flags, and the built programs.
type settings struct {
	load        time.Duration // before each fault, and after it
	rounds      int           // of each kill
	cuts        int           // of the power
	connections int

	bridge, broker string // paths

	given *atomic.Int64 // ports, to all stages
}

func openStage(s settings, parent string) (*stage, error) {
	folder, err := os.MkdirTemp(parent, "stage-")
	return &stage{settings: s, folder: folder}, err
}

// close kills what still runs, undoes what was prepared, in reverse order, and removes the folder.
func (s *stage) close() error {
	for _, p := range s.processes {
		p.close()
	}
	var errs []error
	for i := range s.undo {
		errs = append(errs, s.undo[len(s.undo)-1-i]())
	}
	return errors.Join(append(errs, os.RemoveAll(s.folder))...)
}

func (s *stage) run(ctx context.Context, name, path string, args, env []string, heard func([]byte)) (*process, error) {
	p, err := run(ctx, name, path, args, env, heard)
	if err == nil {
		s.processes = append(s.processes, p)
	}
	return p, err
}

// mount mounts something on a folder of the stage, until unmount is called or the stage is closed.
func (s *stage) mount(ctx context.Context, name string, args ...string) (unmount func() error, err error) {
	path := filepath.Join(s.folder, name)
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, err
	}
	if err := command(ctx, "mount", append(args, path)...); err != nil {
		return nil, err
	}
	mounted := true
	unmount = func() error {
		if !mounted {
			return nil
		}
		mounted = false
		return command(context.WithoutCancel(ctx), "umount", path)
	}
	s.undo = append(s.undo, unmount)
	return unmount, nil
}

// address returns a free address on this machine, below the ports of outgoing connections, so that it stays free for a program that is
// restarted.
func (s *stage) address(ctx context.Context) (string, error) {
	for range ports {
		address := fmt.Sprintf("127.0.0.1:%d", firstPort+(int64(os.Getpid())*100+s.given.Add(1))%ports)
		if listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", address); err == nil {
			return address, listener.Close()
		}
	}
	return "", errors.New("no port below 32000 is free")
}

const (
	firstPort = 20000
	ports     = 12000
)
