//go:build unix

package datadir

import "golang.org/x/sys/unix"

// writable returns why this process cannot write in a folder; nil: it can.
func writable(folder string) error { return unix.Access(folder, unix.W_OK|unix.X_OK) }
