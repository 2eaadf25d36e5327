package publish

import (
	"os"

	"golang.org/x/sys/unix"
)

// datasync brings a file's data, and what is needed to find it, to the disk.
func datasync(file *os.File) error {
	for {
		if err := unix.Fdatasync(int(file.Fd())); err != unix.EINTR {
			return err
		}
	}
}
