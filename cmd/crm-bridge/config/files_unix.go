//go:build unix

package config

import "golang.org/x/sys/unix"

// OpenFiles is how many files the process may have open; 0 where it cannot be determined.
func OpenFiles() int {
	var limit unix.Rlimit
	if unix.Getrlimit(unix.RLIMIT_NOFILE, &limit) != nil {
		return 0
	}
	return int(min(uint64(limit.Cur), 1<<30)) //nolint:unconvert // its type differs from system to system
}
