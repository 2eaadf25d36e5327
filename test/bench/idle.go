package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/crm-bridge/crm-bridge/test/bench/process"
)

// restTime is how long a bridge is idle before its memory is read.
const restTime = 3 * time.Second

// idleMemory returns the memory of an idle bridge.
func (p plan) idleMemory(ctx context.Context) (bytes int64, err error) {
	folder, err := os.MkdirTemp(p.dir, "idle-")
	if err != nil {
		return 0, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(folder)) }()
	bridge, _, err := p.launch(ctx, subjects[0], workload{}, folder)
	if err != nil {
		return 0, err
	}
	defer process.Stop(bridge)
	select {
	case <-time.After(restTime):
	case <-ctx.Done():
		return 0, ctx.Err()
	}
	used, _, err := bridge.Usage()
	return used.Resident, err
}

// size returns the bytes of all files below a folder.
func size(folder string) (total int64, err error) {
	err = filepath.WalkDir(folder, func(_ string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil || !entry.Type().IsRegular() {
			return err
		}
		info, err := entry.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil // a server has just replaced the file
		}
		if err == nil {
			total += info.Size()
		}
		return err
	})
	return total, err
}
