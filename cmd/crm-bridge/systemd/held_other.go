//go:build !linux

package systemd

// Holds reports false: systemd runs on Linux only.
func Holds(string) bool { return false }
