package floor

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// committer syncs acknowledged messages: one fdatasync of the stream's newest block for all that wait. The server writes a message to
// that block before it acknowledges it.
type committer struct {
	dir     string
	number  int // of block; 0: none yet
	block   *os.File
	waiting chan chan error
}

// groupSize is how many callbacks one sync can serve.
const groupSize = 4096

func newCommitter(dir string) *committer {
	return &committer{dir: dir, waiting: make(chan chan error, groupSize)}
}

// sync returns when everything that was acknowledged before would survive a power cut.
func (c *committer) sync() error {
	done := make(chan error, 1)
	c.waiting <- done
	return <-done
}

// run syncs once for all that wait, again and again.
func (c *committer) run() {
	group := make([]chan error, 0, groupSize)
	for first := range c.waiting {
		group = append(group[:0], first)
		for len(c.waiting) > 0 {
			group = append(group, <-c.waiting)
		}
		err := c.syncBlocks()
		for _, done := range group {
			done <- err
		}
	}
}

// syncBlocks syncs the newest block, and each that the server finished since the last sync.
func (c *committer) syncBlocks() error {
	for {
		next, err := os.OpenFile(Block(c.dir, c.number+1), os.O_RDWR, 0)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		if c.block != nil {
			if err := Datasync(c.block); err != nil {
				return err
			}
		} else if next == nil {
			return err // an acknowledged message, and no block
		}
		if next == nil {
			return nil
		}
		if err := syncFolder(filepath.Dir(next.Name())); err != nil {
			return err
		}
		_ = c.block.Close() // synced; the first time there is none
		c.block, c.number = next, c.number+1
	}
}

// syncFolder makes the names of the files in a folder durable.
func syncFolder(dir string) error {
	folder, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}
