//go:build !linux

package floor

import "os"

// Datasync syncs a file to disk.
func Datasync(file *os.File) error { return file.Sync() }
