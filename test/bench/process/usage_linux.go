package process

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// pipeSize is the size of a log's pipe: more than a server writes between two reads.
const pipeSize = 1 << 20

// widen enlarges a pipe; if the system does not allow it, a server may have to wait for its log.
func widen(pipe *os.File) { _, _ = unix.FcntlInt(pipe.Fd(), unix.F_SETPIPE_SZ, pipeSize) }

// tick is the unit of the times in /proc/<pid>/stat (USER_HZ is 100 on every architecture that Go runs on).
const tick = 10 * time.Millisecond

// UsageOf returns what a process has used so far.
func UsageOf(pid int) (Usage, error) {
	folder := filepath.Join("/proc", strconv.Itoa(pid))
	stat, err := os.ReadFile(filepath.Join(folder, "stat"))
	if err != nil {
		return Usage{}, err
	}
	// The second field is the program's name in brackets, and may hold spaces; utime and stime are the 14th and 15th.
	_, rest, _ := strings.Cut(string(stat), ") ")
	fields := strings.Fields(rest)
	if len(fields) < 13 {
		return Usage{}, fmt.Errorf("%s/stat is not as expected: %q", folder, stat)
	}
	var u Usage
	for _, field := range fields[11:13] {
		ticks, err := strconv.ParseInt(field, 10, 64)
		if err != nil {
			return Usage{}, err
		}
		u.CPU += time.Duration(ticks) * tick
	}
	status, err := os.ReadFile(filepath.Join(folder, "status"))
	if err != nil {
		return Usage{}, err
	}
	for line := range strings.Lines(string(status)) {
		name, value, _ := strings.Cut(line, ":")
		kib, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
		switch {
		case err != nil:
		case name == "VmHWM":
			u.Peak = kib << 10
		case name == "VmRSS":
			u.Resident = kib << 10
		}
	}
	return u, nil
}
