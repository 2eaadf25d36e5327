package publish

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"
)

// Committer brings what a stream of the embedded server has acknowledged to the disk, for all callers that wait at once.
//
// With one replica the server writes a message to <store>/<account>/streams/<stream>/msgs/<n>.blk before it acknowledges
// it; so after the acknowledgement one fdatasync of the current block makes it durable. New blocks appear as n grows, and
// every one is synced before the callers whose messages may be in it return. CheckLayout proves that the store is so.
type Committer struct {
	blocks string // the stream's msgs folder

	mu   sync.Mutex
	next *group // gathers while the one before it is synced; nil: nobody waits

	disk    sync.Mutex // held while a group is synced; guards what follows
	current *os.File   // the newest block
	index   int        // its number
	listed  time.Time  // modification time of the folder when it was last listed
	failed  error      // the disk once refused a sync: what it holds is not known any more
	busy    int        // callers in the last group

	broken  chan<- string // is told of the first error
	metrics *Metrics      // nil: nothing is counted
}

// group is callers that share a sync.
type group struct {
	done    chan struct{}
	callers int
	err     error
}

// gatherFrom is the number of waiting callers from which it pays to let more come before the disk is asked, and
// gatherTime how long: a sync costs about as much, and a lone caller waits for none of it.
const (
	gatherFrom = 48
	gatherTime = 500 * time.Microsecond
)

// Commit returns when all that the stream acknowledged before the call would survive a power cut. An error is final: the
// disk refused a sync, and what it holds is not known any more.
func (c *Committer) Commit(ctx context.Context) error {
	c.mu.Lock()
	g, leads := c.next, false
	if g == nil {
		g, leads = &group{done: make(chan struct{})}, true
		c.next = g
	}
	g.callers++
	c.mu.Unlock()
	if leads {
		c.lead(g)
	}
	select {
	case <-g.done:
		return g.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// lead syncs for a group: when the group before it is on the disk, and nobody joins any more.
func (c *Committer) lead(g *group) {
	c.disk.Lock()
	defer c.disk.Unlock()
	if c.busy >= gatherFrom {
		time.Sleep(gatherTime)
	}
	c.mu.Lock()
	c.next = nil
	c.busy = g.callers
	c.mu.Unlock()
	if c.metrics != nil {
		c.metrics.batch.Observe(float64(g.callers))
	}
	g.err = c.once(c.sync)
	close(g.done)
}

// once asks the disk, unless it has refused before; its first refusal is final, and the owner is told.
func (c *Committer) once(ask func() error) error {
	if c.failed != nil {
		return c.failed
	}
	if c.failed = ask(); c.failed != nil {
		select {
		case c.broken <- c.failed.Error():
		default:
		}
	}
	return c.failed
}

// sync brings every block that may hold something new to the disk.
func (c *Committer) sync() error {
	newer, err := c.newer()
	if err != nil {
		return err
	}
	if c.current != nil {
		if err := c.sameFile(); err != nil {
			return err
		}
		if err := datasync(c.current); err != nil {
			return fmt.Errorf("sync block %d: %w", c.index, err)
		}
	}
	for _, index := range newer {
		if err := c.open(index); errors.Is(err, fs.ErrNotExist) {
			continue // the stream was at its limit, and has dropped the whole block already
		} else if err != nil {
			return err
		}
		if err := datasync(c.current); err != nil {
			return fmt.Errorf("sync block %d: %w", index, err)
		}
	}
	if len(newer) > 0 {
		return syncFolder(c.blocks)
	}
	return nil
}

// settled is the age from which a folder's modification time is trusted to change with the next entry: file systems
// stamp with the coarse clock of the kernel's ticks.
const settled = 50 * time.Millisecond

// newer returns the numbers of the blocks after the current one, in order. It lists the folder only if it has changed.
func (c *Committer) newer() ([]int, error) {
	info, err := os.Stat(c.blocks)
	if err != nil {
		return nil, fmt.Errorf("stream's blocks: %w", err)
	}
	if info.ModTime().Equal(c.listed) {
		return nil, nil
	}
	if c.listed = info.ModTime(); time.Since(c.listed) < settled {
		c.listed = time.Time{} // list it again next time
	}
	entries, err := os.ReadDir(c.blocks)
	if err != nil {
		return nil, fmt.Errorf("stream's blocks: %w", err)
	}
	var indexes []int
	for _, entry := range entries {
		var index int
		if n, err := fmt.Sscanf(entry.Name(), "%d.blk", &index); n == 1 && err == nil && index > c.index && entry.Name() == blockName(index) {
			indexes = append(indexes, index)
		}
	}
	slices.Sort(indexes)
	return indexes, nil
}

// sameFile opens the current block again if the server has put another file in its place, as it does after a deletion
// inside it.
func (c *Committer) sameFile() error {
	held, err := c.current.Stat()
	if err != nil {
		return err
	}
	named, err := os.Stat(c.current.Name())
	switch {
	case errors.Is(err, fs.ErrNotExist) || err == nil && os.SameFile(held, named):
		return nil // a block that the stream has dropped as a whole needs no other
	case err != nil:
		return err
	}
	if err := c.open(c.index); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return syncFolder(c.blocks)
}

func (c *Committer) open(index int) error {
	file, err := os.OpenFile(filepath.Join(c.blocks, blockName(index)), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	if c.current != nil {
		err = c.current.Close()
	}
	c.current, c.index = file, index
	return err
}

// CommitAll is Commit for a deletion inside the stream, after which the server may have rewritten any block.
func (c *Committer) CommitAll(context.Context) error {
	c.disk.Lock()
	defer c.disk.Unlock()
	return c.once(func() error { return syncTree(c.blocks) })
}

// Close gives the block free. No Commit may be under way.
func (c *Committer) Close() error {
	c.disk.Lock()
	defer c.disk.Unlock()
	if c.current == nil {
		return nil
	}
	file := c.current
	c.current, c.failed = nil, errors.New("the committer is closed")
	return file.Close()
}

func blockName(index int) string { return fmt.Sprintf("%d.blk", index) }

// SyncStream brings all of a stream of the server whose folder dir is to the disk.
func SyncStream(dir, stream string) error { return syncTree(blocksOf(dir, stream)) }

// syncFolder brings a folder's entries to the disk.
func syncFolder(path string) error {
	folder, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}

// syncTree brings every file and folder below path to the disk.
func syncTree(path string) error {
	return filepath.WalkDir(path, func(at string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil // it was dropped meanwhile
		}
		if err != nil || !entry.IsDir() && !entry.Type().IsRegular() {
			return err
		}
		if err := syncFolder(at); !errors.Is(err, fs.ErrNotExist) {
			return err
		}
		return nil
	})
}
