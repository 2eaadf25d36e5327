package disk

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/gofrs/flock"
)

// WriteDurably writes a file atomically: after a power cut it either exists with its whole content or does not exist.
// It belongs to the owner of its folder, also if root writes it. A link at path is replaced and not followed: whoever owns the folder
// cannot make root write to another file.
func WriteDurably(path, content string) error {
	folder, err := os.OpenRoot(filepath.Dir(path))
	if err != nil {
		return err
	}
	defer func() { _ = folder.Close() }()
	name := filepath.Base(path)
	temporary := name + ".new"
	if err := folder.Remove(temporary); err != nil && !errors.Is(err, fs.ErrNotExist) { // of a process that was killed
		return named(path+".new", err)
	}
	if err := create(folder, temporary, content); err != nil {
		return named(path+".new", err)
	}
	if err := folder.Rename(temporary, name); err != nil {
		return named(path, err)
	}
	entries, err := folder.Open(".")
	if err != nil {
		return named(folder.Name(), err)
	}
	return errors.Join(entries.Sync(), entries.Close())
}

// create makes a file that belongs to the owner of the folder, with its content on the disk. The error is fs.ErrExist if anything has its
// name, also a link.
func create(folder *os.Root, name, content string) error {
	file, err := folder.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	_, err = file.WriteString(content)
	return errors.Join(err, handOver(file, folder), file.Sync(), file.Close())
}

// maxFile bounds what ReadFile reads: its files hold a secret or a note.
const maxFile = 1 << 20

// ReadFile returns the content of a file of at most a mebibyte. It follows no link: whoever owns the folder cannot make root read another
// file.
func ReadFile(path string) (content []byte, err error) {
	folder, err := os.OpenRoot(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	defer func() { _ = folder.Close() }()
	info, err := folder.Lstat(filepath.Base(path))
	if err != nil {
		return nil, named(path, err)
	}
	if !info.Mode().IsRegular() || info.Size() > maxFile {
		return nil, fmt.Errorf("%s is not a small regular file, and links are not followed here: put a file in its place", path)
	}
	file, err := folder.OpenFile(filepath.Base(path), os.O_RDONLY|noFollow, 0) // whatever replaced it meanwhile is in this folder
	if err != nil {
		return nil, named(path, err)
	}
	defer func() { _ = file.Close() }()
	return io.ReadAll(io.LimitReader(file, maxFile))
}

// NewLock makes the file of a lock, where it is missing, for the owner of its folder, and returns the lock, not yet locked. It follows
// no link.
func NewLock(path string) (*flock.Flock, error) {
	folder, err := os.OpenRoot(filepath.Dir(path))
	if err != nil {
		return nil, err
	}
	defer func() { _ = folder.Close() }()
	if err := create(folder, filepath.Base(path), ""); err != nil && !errors.Is(err, fs.ErrExist) {
		return nil, named(path, err)
	}
	info, err := folder.Lstat(filepath.Base(path))
	if err != nil {
		return nil, named(path, err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file, and links are not followed here: remove it", path)
	}
	return flock.New(path, flock.SetFlag(os.O_RDONLY|noFollow), flock.SetPermissions(0o600)), nil
}

// named returns an error of os.Root with the whole path, of which it has only the file's name.
func named(path string, err error) error {
	if of, ok := errors.AsType[*fs.PathError](err); ok {
		return &fs.PathError{Op: "open", Path: path, Err: of.Err}
	}
	return err
}
