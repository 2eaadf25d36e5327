package disk

import (
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// inode is what a file system notes of an open file when its own name, or a name in it, changes.
type inode struct {
	links             uint64
	modified, changed unix.Timespec
}

// inodeOf returns what is noted of an open file now; ok is false where that is not known.
func inodeOf(file *os.File) (of inode, ok bool) {
	var stat unix.Stat_t
	if err := unix.Fstat(int(file.Fd()), &stat); err != nil {
		return of, false
	}
	return inode{uint64(stat.Nlink), stat.Mtim, stat.Ctim}, true //nolint:unconvert // not on every architecture
}

// settled reports whether any change since a time is certain to be noted with another time.
func (i inode) settled(since time.Time) bool {
	return since.Sub(time.Unix(i.modified.Unix())) >= settled && since.Sub(time.Unix(i.changed.Unix())) >= settled
}
