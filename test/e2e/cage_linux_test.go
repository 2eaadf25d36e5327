package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// cage is a control group that kills what it holds beyond a limit of memory, as a container's does.
type cage struct {
	folder string
	v1     bool
}

// openCage makes a control group; nil where this machine lets us make none.
func openCage(t *testing.T, limit int64) *cage {
	t.Helper()
	for _, parent := range []string{"/sys/fs/cgroup", "/sys/fs/cgroup/memory"} {
		c := &cage{folder: filepath.Join(parent, fmt.Sprintf("crm-bridge-e2e-%d-%s", os.Getpid(), strings.ReplaceAll(t.Name(), "/", "-"))), v1: filepath.Base(parent) == "memory"}
		if os.Mkdir(c.folder, 0o700) != nil {
			continue
		}
		t.Cleanup(func() { _ = os.Remove(c.folder) })
		name := "memory.max"
		if c.v1 {
			name = "memory.limit_in_bytes"
		}
		if os.WriteFile(filepath.Join(c.folder, name), []byte(strconv.FormatInt(limit, 10)), 0o600) == nil {
			return c
		}
		_ = os.Remove(c.folder)
	}
	return nil
}

// peakMiB is the most that the group has held, in MiB; 0 where the kernel does not say.
func (c *cage) peakMiB() int {
	name := "memory.peak"
	if c.v1 {
		name = "memory.max_usage_in_bytes"
	}
	text, _ := os.ReadFile(filepath.Join(c.folder, name))
	bytes, _ := strconv.Atoi(strings.TrimSpace(string(text)))
	return bytes >> 20
}
