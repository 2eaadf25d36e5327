package disk

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"sync"
	"sync/atomic"
)

// reindexFrom is the size from which a stream's index is written again: the server reads less in a moment.
const reindexFrom = 64 << 20

// Reindex writes the indexes of large streams again that the server whose folder is dir did not write when it ended, as after a kill.
// Without an index it would read every block twice, one after the other, and hold every subject of every block in memory. Of blocks
// that were finished before, what an earlier index says is used. The index is that which the server itself writes of such blocks; a
// stream in which it finds more than messages without gaps, each with its right checksum, or of which an earlier index knows later
// messages, is left to the server. The server must not run. It returns the names of the streams whose index it has written.
func Reindex(dir string) (written []string, err error) {
	streams := filepath.Join(dir, "jetstream", "$G", "streams")
	entries, err := os.ReadDir(streams)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	for _, entry := range entries {
		done, failed := reindex(blocksOf(dir, entry.Name()), entry.Name(), reindexFrom)
		if failed != nil {
			err = errors.Join(err, fmt.Errorf("index stream %s: %w", entry.Name(), failed))
		}
		if done {
			written = append(written, entry.Name())
		}
	}
	return written, err
}

// reindex writes the index of a stream of at least so many bytes, if it has none that is current, and reports whether it has.
func reindex(folder, stream string, from int64) (bool, error) {
	files := blockFiles{folder: folder, index: -1}
	numbers, err := files.newer()
	if errors.Is(err, fs.ErrNotExist) || err == nil && len(numbers) == 0 {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	size, err := sizeOf(folder, numbers)
	if err != nil || size < from || isCurrent(folder, numbers[len(numbers)-1]) {
		return false, err
	}
	blocks, subjects, err := readStream(folder, stream, numbers)
	if errors.Is(err, errUnindexed) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	for i := range blocks[1:] {
		if blocks[i+1].first != blocks[i].last+1 {
			return false, nil
		}
	}
	// Else the server would give sequences again that consumers have seen.
	if last, err := remembers(folder); err != nil || last > blocks[len(blocks)-1].last {
		return false, err
	}
	return true, writeIndex(folder, stream, blocks, subjects)
}

func sizeOf(folder string, numbers []int) (size int64, err error) {
	for _, number := range numbers {
		info, err := os.Stat(filepath.Join(folder, blockName(number)))
		if err != nil {
			return 0, err
		}
		size += info.Size()
	}
	return size, nil
}

// readStream returns the state of a stream's blocks. It reads all of them if no earlier index knows finished ones.
func readStream(folder, stream string, numbers []int) ([]blockState, map[string]*subjectState, error) {
	earlier, err := readEarlier(folder, stream)
	if err == nil {
		blocks, subjects, err := earlier.resume(folder, stream, numbers)
		if !errors.Is(err, errUnindexed) {
			return blocks, subjects, err
		}
	} else if !errors.Is(err, errUnindexed) {
		return nil, nil, err
	}
	return scanBlocks(scanner{folder: folder, stream: stream}, numbers)
}

// scanBlocks reads blocks, several at once, each as blank does. It begins with the newest: deletions are noted there.
func scanBlocks(blank scanner, numbers []int) ([]blockState, map[string]*subjectState, error) {
	blocks := make([]blockState, len(numbers))
	// Several for each core: where the blocks are not in memory, most of them wait for the disk.
	scanners, errs := make([]scanner, min(3*runtime.GOMAXPROCS(0), len(numbers))), make([]error, len(numbers))
	var next atomic.Int64
	var failed atomic.Bool
	var scanning sync.WaitGroup
	for i := range scanners {
		one := &scanners[i]
		*one = blank
		one.subjects = map[string]*subjectState{}
		scanning.Go(func() {
			for !failed.Load() {
				n := len(numbers) - int(next.Add(1))
				if n < 0 {
					return
				}
				if blocks[n], errs[n] = one.scan(numbers[n]); errs[n] != nil {
					failed.Store(true)
				}
			}
		})
	}
	scanning.Wait()
	if n := slices.IndexFunc(errs, func(err error) bool { return err != nil }); n >= 0 {
		return nil, nil, fmt.Errorf("block %d: %w", numbers[n], errs[n])
	}
	subjects := map[string]*subjectState{}
	for _, one := range scanners {
		addSubjects(subjects, one.subjects)
	}
	return blocks, subjects, nil
}

// addSubjects adds what was seen of subjects in other blocks.
func addSubjects(all, seen map[string]*subjectState) {
	for subject, more := range seen {
		of, known := all[subject]
		if !known {
			all[subject] = more
			continue
		}
		of.messages += more.messages
		of.first, of.last = min(of.first, more.first), max(of.last, more.last)
	}
}
