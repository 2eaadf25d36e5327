//go:build unix

package datadir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"golang.org/x/sys/unix"
)

// writable returns why this process cannot write in a folder; nil: it can.
func writable(folder string) error { return unix.Access(folder, unix.W_OK|unix.X_OK) }

// CheckOwner returns an error if this process is root and the folder, or the streams in it, belong to another user: that user's bridge
// could not open what root writes there, and a link in the place of the streams would lead root to another folder. It makes nothing.
func CheckOwner(folder string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	whole, failed := os.Stat(folder) // which may be a link itself, made by systemd
	streams, err := os.Lstat(filepath.Join(folder, "jetstream"))
	for _, err := range []error{failed, err} {
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	for path, info := range map[string]fs.FileInfo{folder: whole, filepath.Join(folder, "jetstream"): streams} {
		if info == nil {
			continue
		}
		if of, ok := info.Sys().(*syscall.Stat_t); ok && of.Uid != 0 {
			return fmt.Errorf("%s belongs to user %d: run the command as that user, because its bridge could not open files that root made there", path, of.Uid)
		}
	}
	return nil
}
