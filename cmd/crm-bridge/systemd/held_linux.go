package systemd

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Holds reports whether systemd itself listens on an address, for a program that it starts or restarts. Only root can see that; anyone else
// gets false.
func Holds(address string) bool {
	if _, err := os.Stat("/run/systemd/system"); err != nil {
		return false // process 1 is another program
	}
	return processHolds(1, address)
}

// listens is the state of a listening socket in /proc/net/tcp.
const listens = "0A"

// processHolds reports whether a process has a listening socket of an address.
func processHolds(pid int, address string) bool {
	wanted, err := net.ResolveTCPAddr("tcp", address)
	if err != nil {
		return false
	}
	port := fmt.Sprintf(":%04X", wanted.Port)
	var sockets []string
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		text, err := os.ReadFile(table)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(text)) { // number, local address, remote address, state, …, inode
			if fields := strings.Fields(line); len(fields) > 9 && fields[3] == listens && strings.HasSuffix(fields[1], port) {
				sockets = append(sockets, "socket:["+fields[9]+"]")
			}
		}
	}
	descriptors, _ := filepath.Glob(fmt.Sprintf("/proc/%d/fd/*", pid))
	return slices.ContainsFunc(descriptors, func(path string) bool {
		target, err := os.Readlink(path)
		return err == nil && slices.Contains(sockets, target)
	})
}
