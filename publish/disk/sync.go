package disk

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// blocksOf is the folder of a stream's blocks in the folder of a server.
func blocksOf(dir, stream string) string {
	return filepath.Join(dir, "jetstream", "$G", "streams", stream, "msgs")
}

// SyncStream syncs a stream of the server whose folder is dir to disk.
func SyncStream(dir, stream string) error { return syncTree(blocksOf(dir, stream), flush) }

// DropIndex removes the index of a stream, which names its subjects. The server writes it again soon, and until then reads the stream's
// blocks when it starts.
func DropIndex(dir, stream string) error {
	err := os.Remove(filepath.Join(blocksOf(dir, stream), stateFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// finalError is an error after which it is unknown what is on disk: a later sync may succeed without what this one lost. Any other
// error, such as a lack of file descriptors, lost nothing.
type finalError struct{ error }

func (e finalError) Unwrap() error { return e.error }

// flush syncs a file's data and the metadata to find it, or a folder's entries, to disk. Its errors are final.
func flush(file *os.File) error {
	info, err := file.Stat()
	if err != nil {
		return err
	}
	if info.IsDir() {
		err = file.Sync()
	} else {
		err = datasync(file)
	}
	if err != nil {
		return finalError{err}
	}
	return nil
}

// syncFile syncs a file's data or a folder's entries to disk.
func syncFile(path string, flush func(*os.File) error) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	err = flush(file)
	_ = file.Close() // nothing was written through it
	return err
}

// syncTree syncs the folder at root, and every file and folder below it, to disk.
func syncTree(root string, flush func(*os.File) error) error {
	return filepath.WalkDir(root, func(at string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) && at != root {
			return nil // it was dropped meanwhile
		}
		if err != nil || !entry.IsDir() && !entry.Type().IsRegular() {
			return err
		}
		if err := syncFile(at, flush); !errors.Is(err, fs.ErrNotExist) || at == root {
			return err
		}
		return nil
	})
}
