//go:build !linux

package publish

import "os"

// datasync brings a file's data, and what is needed to find it, to the disk.
func datasync(file *os.File) error { return file.Sync() }
