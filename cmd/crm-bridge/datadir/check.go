package datadir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
)

// Check returns an error if Open cannot make or use the folder, and makes nothing. Existing is the folder, or the nearest above it that
// exists.
func Check(path string) (existing string, err error) {
	for {
		info, err := os.Stat(path)
		switch {
		case err == nil && !info.IsDir():
			return "", fmt.Errorf("BRIDGE_DATA_DIR: %s is not a folder", path)
		case err == nil:
			if err := writable(path); err != nil {
				return "", fmt.Errorf("BRIDGE_DATA_DIR: nothing can be written in %s: %w", path, err)
			}
			return path, nil
		case !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR):
			return "", fmt.Errorf("BRIDGE_DATA_DIR: %w", err)
		}
		if path = filepath.Dir(path); path == filepath.Dir(path) {
			return path, nil
		}
	}
}
