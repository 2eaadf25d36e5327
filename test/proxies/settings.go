//go:build linux

package main

import (
	"slices"
	"strings"
)

// settings are the flags.
type settings struct {
	callbacks   int
	connections int
	reloads     int
	without     string // settings that docs/proxies.md asks for and that are left out: socket, delay, keepalive, close
	kill        bool   // the old bridge, in place of SIGTERM

	folder   string
	old, new string // the program, built as two versions
}

// left reports whether a setting is left out.
func (s settings) left(out string) bool { return slices.Contains(strings.Split(s.without, ","), out) }
