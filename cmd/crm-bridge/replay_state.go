package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"time"

	"github.com/gofrs/flock"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/config"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/terminal"
	"github.com/crm-bridge/crm-bridge/publish"
)

// jobsAreKept is how long the state of a job is kept after its last step.
const jobsAreKept = 30 * 24 * time.Hour

// openReplayState returns the bucket in which jobs are kept, with room made by those that nobody goes on with.
func openReplayState(ctx context.Context, s config.Settings, conn *publish.Conn, bar *terminal.Progress) (replayStore, error) {
	state := sharedState(s, func() (*publish.Conn, error) { return conn, nil })
	if s.Syncs() {
		state.Commit = func(context.Context) error { return publish.SyncStream(s.DataDir, "KV_"+s.StateBucket()) }
	}
	if err := state.Open(ctx); err != nil {
		return nil, err
	}
	if err := state.Prune(ctx, jobKey(""), time.Now().Add(-jobsAreKept)); err != nil {
		bar.Say("what is kept of old jobs is not removed: %s", err)
	}
	return bucket{state, slog.New(slog.DiscardHandler)}, nil
}

// stateFile is a replayStore of one job in a file, held by one process.
type stateFile struct {
	path string
	lock *flock.Flock
	is   []byte
}

func openStateFile(path string) (*stateFile, error) {
	lock := flock.New(path+".lock", flock.SetPermissions(0o600))
	held, err := lock.TryLock()
	if err != nil {
		return nil, fmt.Errorf("--state: %w", err)
	}
	if !held {
		return nil, fmt.Errorf("--state: %s is in use by another replay", path)
	}
	content, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, errors.Join(fmt.Errorf("--state: %w", err), lock.Close())
	}
	return &stateFile{path, lock, bytes.TrimSpace(content)}, nil
}

// Load implements replayStore.
func (f *stateFile) Load(context.Context, string) ([]byte, uint64, error) { return f.is, 1, nil }

// Save implements replayStore.
func (f *stateFile) Save(_ context.Context, _ string, value []byte, _ uint64) (uint64, error) {
	if err := publish.WriteDurably(f.path, string(value)+"\n"); err != nil {
		return 0, fmt.Errorf("--state: %w", err)
	}
	f.is = value
	return 1, nil
}

// Close gives the file free.
func (f *stateFile) Close() error { return f.lock.Close() }
