// Package datadir locks the data folder, and keeps the secrets that the bridge makes in it.
package datadir

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/gofrs/flock"

	"github.com/crm-bridge/crm-bridge/publish/disk"
)

// Dir is the data folder, locked: the embedded server takes no lock of its own, and two of them on one folder
// destroy each other's events. A nil Dir is that of a bridge that keeps nothing on this machine: it has no secrets.
type Dir struct {
	Path string
	lock *flock.Flock

	mu      sync.Mutex
	probing chan error // how the probe that has begun ends; nil: none has
	prober  sync.WaitGroup
}

// ErrInUse says that another process holds the data folder.
var ErrInUse = errors.New("the data folder is in use")

// inUse is ErrInUse in the words for a person.
type inUse struct{ error }

// Is reports whether target is ErrInUse.
func (inUse) Is(target error) bool { return target == ErrInUse }

const (
	// lockWait is how long Open waits for another process that holds the folder. Kubernetes starts the successor of a pod that was deleted
	// by force while the old process still drains.
	lockWait = 30 * time.Second
	// lockAgain is the pause after an attempt.
	lockAgain = 100 * time.Millisecond
)

// Open opens the folder as TryOpen does. It waits 30 seconds for another process that holds it, or until the deadline of ctx, and logs that
// it does. The error is that of ctx if it is canceled meanwhile.
func Open(ctx context.Context, path string, log *slog.Logger) (*Dir, error) {
	dir, err := TryOpen(path)
	if !errors.Is(err, ErrInUse) {
		return dir, err
	}
	log.Warn("another crm-bridge holds the data folder: waiting until it has stopped", "folder", path, "atMost", lockWait.String())
	waiting, cancel := context.WithTimeout(ctx, lockWait)
	defer cancel()
	for errors.Is(err, ErrInUse) {
		select {
		case <-time.After(lockAgain):
			dir, err = TryOpen(path)
		case <-waiting.Done():
			if errors.Is(ctx.Err(), context.Canceled) {
				err = fmt.Errorf("wait for the data folder %s: %w", path, ctx.Err())
			}
			return nil, err
		}
	}
	return dir, err
}

// TryOpen makes the folder where it is missing, and locks it until Close. The error is ErrInUse if another process holds it.
func TryOpen(path string) (*Dir, error) {
	if err := os.MkdirAll(path, 0o700); err != nil {
		return nil, fmt.Errorf("BRIDGE_DATA_DIR: %w", err)
	}
	lock, err := disk.NewLock(filepath.Join(path, "lock"))
	if err != nil {
		return nil, fmt.Errorf("BRIDGE_DATA_DIR: lock %s: %w", path, err)
	}
	held, err := lock.TryLock()
	if err != nil {
		return nil, fmt.Errorf("BRIDGE_DATA_DIR: lock %s: %w", path, err)
	}
	if !held {
		return nil, inUse{fmt.Errorf("the data folder %s is in use by another crm-bridge: stop that one, or set BRIDGE_DATA_DIR to a folder of its own", path)}
	}
	return &Dir{Path: path, lock: lock}, nil
}

// Close waits for a probe that has begun, and releases the folder.
func (d *Dir) Close() error {
	if d == nil {
		return nil
	}
	d.prober.Wait()
	return d.lock.Close()
}

// Secret returns the secret of that name, made at random and kept permanently at the first call; empty for a nil Dir.
func (d *Dir) Secret(name string) (string, error) {
	if d == nil {
		return "", nil
	}
	secret, _, err := MakeSecret(d.Path, name)
	return secret, err
}

// Probe writes and syncs a few bytes: it fails when the disk is full or read-only, or does not answer before ctx ends. A
// probe that hangs continues, and the next caller waits for it instead of starting another.
func (d *Dir) Probe(ctx context.Context) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.probing == nil {
		done := make(chan error, 1)
		d.probing = done
		d.prober.Go(func() { done <- disk.WriteDurably(filepath.Join(d.Path, "probe"), strings.Repeat("ready?\n", 600)) })
	}
	select {
	case err := <-d.probing:
		d.probing = nil
		return err
	case <-ctx.Done():
		return fmt.Errorf("the disk of %s does not answer", d.Path)
	}
}
