package systemd

import (
	"fmt"
	"net"
	"os"
	"slices"

	"github.com/prometheus/procfs"
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
const listens = 0x0A

// processHolds reports whether a process has a listening socket of an address.
func processHolds(pid int, address string) bool {
	wanted, err := net.ResolveTCPAddr("tcp", address)
	if err != nil {
		return false
	}
	proc, err := procfs.NewFS("/proc")
	if err != nil {
		return false
	}
	process, err := proc.Proc(pid)
	if err != nil {
		return false
	}
	open, err := process.FileDescriptorTargets()
	if err != nil {
		return false
	}
	four, _ := proc.NetTCP()
	six, _ := proc.NetTCP6()
	for _, one := range slices.Concat(four, six) {
		if one.St == listens && one.LocalPort == uint64(wanted.Port) && slices.Contains(open, fmt.Sprintf("socket:[%d]", one.Inode)) { //nolint:gosec // a port
			return true
		}
	}
	return false
}
