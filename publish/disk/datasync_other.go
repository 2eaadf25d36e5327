//go:build !linux

package disk

import "os"

// datasync syncs a file's data and the metadata to find it to disk.
func datasync(file *os.File) error { return file.Sync() }
