package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// usageOf returns the memory of a running process.
func usageOf(pid int) (usage, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	var u usage
	for line := range strings.Lines(string(status)) {
		name, value, _ := strings.Cut(line, ":")
		kib, _ := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64) // 0 if it is not a number
		switch name {
		case "VmHWM":
			u.peak = kib << 10
		case "VmRSS":
			u.resident = kib << 10
		}
	}
	return u, err
}
