//go:build !linux

package systemd

// Holds reports false: there is no systemd here.
func Holds(string) bool { return false }
