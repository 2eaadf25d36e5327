//go:build unix

package disk

import (
	"os"
	"syscall"
)

// noFollow makes an open fail at a link, and not wait at a pipe.
const noFollow = syscall.O_NOFOLLOW | syscall.O_NONBLOCK

// handOver gives a file that root made to the owner of its folder: a bridge that runs as another user could not read it.
func handOver(file *os.File, folder *os.Root) error {
	if os.Geteuid() != 0 {
		return nil
	}
	info, err := folder.Stat(".")
	if err != nil {
		return err
	}
	owner, ok := info.Sys().(*syscall.Stat_t)
	if !ok {
		return nil
	}
	return file.Chown(int(owner.Uid), int(owner.Gid))
}
