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

// CheckOwner returns an error if this process is root and the streams in the folder, or an empty folder, belong to another user: that
// user's bridge could not open what root writes there. It makes nothing.
func CheckOwner(folder string) error {
	if os.Geteuid() != 0 {
		return nil
	}
	for _, path := range []string{filepath.Join(folder, "jetstream"), folder} {
		info, err := os.Stat(path)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		if of, ok := info.Sys().(*syscall.Stat_t); ok && of.Uid != 0 {
			return fmt.Errorf("%s belongs to user %d: run the command as that user, because its bridge could not open files that root made there", path, of.Uid)
		}
		return nil
	}
	return nil
}
