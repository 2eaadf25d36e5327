package disk

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"
)

// blockFiles is the folder in which the server stores a stream's messages, in numbered blocks. The server appends only to the newest
// block, and creates the next before it removes that; so the newest block always exists, unless another process removed it.
type blockFiles struct {
	folder string
	flush  func(*os.File) error                // syncs a file or a folder to disk
	holds  func(sequence uint64) (bool, error) // reports whether the stream holds a message; nil: unknown

	current  *os.File  // the newest block that was synced
	index    int       // its number; -1: none yet
	listed   time.Time // modification time of the folder when all its entries were synced
	unsynced bool      // the folder has entries that are not on the disk yet
	names    names     // whether that must be looked up again

	replaced *os.File  // the block that was current before another file took its name
	size     int64     // of it
	missed   time.Time // when the newest block was first missing; zero: it exists
}

// settled is the age from which a folder's modification time is certain to change with the next entry: file systems use the
// kernel's coarse clock. It counts when the folder is looked at, before all that follows: an entry may come at any moment after.
const settled = 50 * time.Millisecond

// absence is how long the newest block may be missing: a purge moves the folder away and then creates another one.
const absence = time.Second

// sync syncs every block that may hold new messages to disk.
func (b *blockFiles) sync() error {
	if !b.names.same(b.current) {
		return b.syncNamed()
	}
	if err := b.checkReplaced(); err != nil {
		return err
	}
	return b.syncCurrent()
}

// syncNamed is sync that finds the blocks by their names.
func (b *blockFiles) syncNamed() error {
	began := time.Now()
	b.names.begin(b.folder, began)
	info, err := os.Stat(b.folder)
	if errors.Is(err, fs.ErrNotExist) {
		return b.vanished("the stream's folder %s is gone", b.folder)
	} else if err != nil {
		return err
	}
	exists, err := b.checkCurrent()
	if err != nil {
		return err
	}
	var newer []int
	if !exists || !info.ModTime().Equal(b.listed) {
		if newer, err = b.newer(); err != nil {
			return err
		}
	}
	if !exists {
		if err := b.checkDropped(len(newer) > 0); err != nil {
			return err
		}
	} else if err := b.syncCurrent(); err != nil {
		return err
	}
	if err := b.follow(newer); err != nil {
		return err
	}
	b.missed, b.listed = time.Time{}, info.ModTime()
	if began.Sub(b.listed) < settled {
		b.listed = time.Time{} // list it again next time
	}
	b.names.end(info)
	return nil
}

// syncCurrent syncs the current block to disk.
func (b *blockFiles) syncCurrent() error {
	if err := b.flush(b.current); err != nil {
		return fmt.Errorf("sync block %d: %w", b.index, err)
	}
	return nil
}

// follow syncs newer blocks and then the folder, and makes the last of them the current one.
func (b *blockFiles) follow(newer []int) error {
	for i, index := range newer {
		b.unsynced = true
		switch err := b.open(index); {
		case errors.Is(err, fs.ErrNotExist) && i < len(newer)-1:
			continue // the stream is at its limit and has already dropped this block
		case err != nil:
			return err
		}
		if err := b.syncCurrent(); err != nil {
			return err
		}
	}
	if !b.unsynced {
		return nil
	}
	err := syncFile(b.folder, b.flush)
	b.unsynced = err != nil
	return err
}

// newer returns the numbers of the blocks after the current one, in order.
func (b *blockFiles) newer() ([]int, error) {
	entries, err := os.ReadDir(b.folder)
	if err != nil {
		return nil, err
	}
	var indexes []int
	for _, entry := range entries {
		var index int
		if n, err := fmt.Sscanf(entry.Name(), "%d.blk", &index); n == 1 && err == nil && index > b.index && entry.Name() == blockName(index) {
			indexes = append(indexes, index)
		}
	}
	slices.Sort(indexes)
	return indexes, nil
}

// checkCurrent reports whether the current block exists. If the server has replaced its file, as it does after a deletion inside it,
// the new file becomes the current block.
func (b *blockFiles) checkCurrent() (bool, error) {
	if b.current == nil {
		return false, nil
	}
	held, err := b.current.Stat()
	if err != nil {
		return false, err
	}
	if err := b.checkReplaced(); err != nil {
		return false, err
	}
	named, err := os.Stat(b.current.Name())
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return false, nil
	case err != nil:
		return false, err
	case os.SameFile(held, named):
		return true, nil
	case held.ModTime().After(named.ModTime()): // the server still writes to the file that lost its name
		return false, b.takenOver()
	}
	b.unsynced = true
	before := b.current
	b.current = nil
	if err := b.open(b.index); err != nil {
		b.current = before
		return false, err
	}
	if b.replaced != nil {
		_ = b.replaced.Close()
	}
	b.replaced, b.size = before, held.Size()
	return true, nil
}

// checkDropped returns nil if the server itself removed the current block: a newer one exists, and the stream no longer holds the
// last message of this one.
func (b *blockFiles) checkDropped(newer bool) error {
	if newer && b.current != nil && b.holds != nil {
		last, err := lastSequence(b.current)
		if err != nil {
			return err
		}
		held := false
		if last > 0 {
			held, err = b.holds(last)
		}
		if err != nil || !held {
			return err
		}
	} else if newer {
		return nil
	}
	return b.vanished("the stream's block %s is gone", filepath.Join(b.folder, blockName(max(b.index, 1))))
}

// checkReplaced returns an error if the server still writes to a block that another file has replaced.
func (b *blockFiles) checkReplaced() error {
	if b.replaced == nil {
		return nil
	}
	info, err := b.replaced.Stat()
	if err != nil {
		return err
	}
	if info.Size() != b.size {
		return b.takenOver()
	}
	return nil
}

func (b *blockFiles) takenOver() error {
	return finalError{fmt.Errorf("the stream's block %s was replaced while the bridge was running: what is stored since then is lost when the bridge stops", b.current.Name())}
}

// vanished returns the error of a missing block, which is final if the block does not come back.
func (b *blockFiles) vanished(format string, args ...any) error {
	err := fmt.Errorf(format+": it was removed while the bridge was running, and what it held is lost when the bridge stops", args...)
	switch {
	case b.missed.IsZero():
		b.missed = time.Now()
	case time.Since(b.missed) >= absence:
		return finalError{err}
	}
	return err
}

func (b *blockFiles) open(index int) error {
	file, err := os.OpenFile(filepath.Join(b.folder, blockName(index)), os.O_RDWR, 0)
	if err != nil {
		return err
	}
	if b.current != nil {
		_ = b.current.Close() // it is synced, and nothing was written through it
	}
	b.current, b.index = file, index
	return nil
}

// syncAll syncs the whole stream to disk.
func (b *blockFiles) syncAll() error { return syncTree(b.folder, b.flush) }

func (b *blockFiles) close() error {
	var err error
	for _, file := range []*os.File{b.current, b.replaced} {
		if file != nil {
			err = errors.Join(err, file.Close())
		}
	}
	b.current, b.replaced = nil, nil
	b.names.close()
	return err
}

func blockName(index int) string { return fmt.Sprintf("%d.blk", index) }
