package floor

import (
	"os"

	"golang.org/x/sys/unix"
)

// Datasync syncs a file's data and the metadata to find it to disk.
func Datasync(file *os.File) error {
	for {
		if err := unix.Fdatasync(int(file.Fd())); err != unix.EINTR {
			return err
		}
	}
}
