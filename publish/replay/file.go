package replay

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/gofrs/flock"

	"github.com/crm-bridge/crm-bridge/publish/disk"
)

// File is a Store of one job in a file, which one process holds.
type File struct {
	path string
	lock *flock.Flock
	is   []byte
}

// OpenFile locks a file, which need not be there yet.
func OpenFile(path string) (*File, error) {
	lock, err := disk.NewLock(path + ".lock")
	if err != nil {
		return nil, err
	}
	held, err := lock.TryLock()
	if err != nil {
		return nil, err
	}
	if !held {
		return nil, fmt.Errorf("%s is in use by another replay", path)
	}
	content, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, errors.Join(err, lock.Close())
	}
	return &File{path, lock, bytes.TrimSpace(content)}, nil
}

// JobName returns the name of the job that the file holds; empty where there is none.
func (f *File) JobName() string {
	var of struct{ Name string }
	_ = json.Unmarshal(f.is, &of) // Load says what is wrong with it
	return of.Name
}

// Load implements Store.
func (f *File) Load(context.Context, string) ([]byte, uint64, error) { return f.is, 1, nil }

// Save implements Store.
func (f *File) Save(_ context.Context, _ string, value []byte, _ uint64) (uint64, error) {
	if err := disk.WriteDurably(f.path, string(value)+"\n"); err != nil {
		return 0, err
	}
	f.is = value
	return 1, nil
}

// Close unlocks the file.
func (f *File) Close() error { return f.lock.Close() }
