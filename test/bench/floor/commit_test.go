package floor

import (
	"os"
	"path/filepath"
	"testing"
)

// A durable floor syncs the blocks that the server began since the last sync, and fails without a block.
func TestCommitterFollowsBlocks(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Dir(Block(dir, 1)), 0o700); err != nil {
		t.Fatal(err)
	}
	c := newCommitter(dir)
	go c.run()
	defer close(c.waiting)
	if err := c.sync(); err == nil {
		t.Error("nothing was synced, and nothing failed")
	}
	for _, number := range []int{1, 2, 3} {
		if err := os.WriteFile(Block(dir, number), []byte("x"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := c.sync(); err != nil || c.number != number {
			t.Errorf("synced up to block %d, not %d: %v", c.number, number, err)
		}
	}
}
