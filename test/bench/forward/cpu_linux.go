package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"
)

// tick is the unit of the times in /proc/<pid>/stat (USER_HZ is 100 on every architecture that Go runs on).
const tick = 10 * time.Millisecond

// cpuOf returns the user and system time of a process.
func cpuOf(pid int) (used time.Duration) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	// The second field is the program's name in brackets, and may hold spaces; utime and stime are the 14th and 15th.
	_, rest, _ := strings.Cut(string(stat), ") ")
	for i, field := range strings.Fields(rest) {
		if i == 11 || i == 12 {
			ticks, _ := strconv.ParseInt(field, 10, 64)
			used += time.Duration(ticks) * tick
		}
	}
	return used
}
