//go:build unix

package store

import (
	"errors"

	"golang.org/x/sys/unix"
)

// freeBytes is what an ordinary user may still write to the file system of path; 0 where that is unknown.
func freeBytes(path string) int64 {
	var stat unix.Statfs_t
	err := unix.Statfs(path, &stat)
	for errors.Is(err, unix.EINTR) {
		err = unix.Statfs(path, &stat)
	}
	if err != nil {
		return 0
	}
	return int64(stat.Bavail) * int64(stat.Bsize) //nolint:unconvert // their types differ from system to system
}

// diskBytes is the size of the file system of path; 0 where that is unknown.
func diskBytes(path string) int64 {
	var stat unix.Statfs_t
	if unix.Statfs(path, &stat) != nil {
		return 0
	}
	return int64(stat.Blocks) * int64(stat.Bsize) //nolint:unconvert // their types differ from system to system
}
