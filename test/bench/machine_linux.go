package main

import (
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

func processor() string {
	info, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return "not known"
	}
	for line := range strings.Lines(string(info)) {
		if name, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(name) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return "not known"
}

func kernel() string {
	var name unix.Utsname
	if unix.Uname(&name) != nil {
		return ""
	}
	return ", kernel " + unix.ByteSliceToString(name.Release[:])
}

// fileSystem is the type of the file system that is mounted nearest above a folder.
func fileSystem(dir string) string {
	dir, err := filepath.Abs(dir)
	if err != nil {
		return "not known"
	}
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return "not known"
	}
	kind, longest := "not known", 0
	for line := range strings.Lines(string(mounts)) {
		fields := strings.Fields(line)
		if len(fields) < 3 || len(fields[1]) < longest {
			continue
		}
		if at := fields[1]; at == "/" || at == dir || strings.HasPrefix(dir, at+"/") {
			kind, longest = fields[2], len(at)
		}
	}
	return kind
}
