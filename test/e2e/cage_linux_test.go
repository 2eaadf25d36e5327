package e2e

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"sync/atomic"
	"testing"
)

// cage is a control group with a limit of memory, as a container has it.
type cage struct{ folder string }

// openCage makes a control group; nil where this machine lets us make none.
func openCage(t *testing.T, limit int64) *cage {
	t.Helper()
	for root, file := range map[string]string{"/sys/fs/cgroup": "memory.max", "/sys/fs/cgroup/memory": "memory.limit_in_bytes"} {
		if _, err := os.Stat(filepath.Join(root, "cgroup.procs")); err != nil {
			continue // not the root of a hierarchy
		}
		c := &cage{filepath.Join(root, fmt.Sprintf("crm-bridge-e2e-%d-%d", os.Getpid(), cages.Add(1)))}
		if os.Mkdir(c.folder, 0o700) != nil {
			continue
		}
		t.Cleanup(func() { _ = os.Remove(c.folder) })
		if os.WriteFile(filepath.Join(c.folder, file), []byte(strconv.FormatInt(limit, 10)), 0o600) == nil {
			return c
		}
	}
	return nil
}

var cages atomic.Int64
