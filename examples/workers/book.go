package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"syscall"
)

// book is this example's work: a line in a file for each event. It stands for the database that the workers share: a line is written
// only if no worker has written it, in one transaction. Here that is a lock on the file; in a database insert the event's id into a table
// where it is unique, in the transaction of your effect.
type book struct {
	mu   sync.Mutex
	file *os.File
	read int64           // up to here this process knows the lines, its own and those of other workers
	done map[string]bool // ids
}

// errBook says that the work failed. The process then exits, because the last line may be incomplete; the next line of any worker repairs
// it.
var errBook = errors.New("the book cannot be written")

type line struct {
	ID       string `json:"id"`
	Key      string `json:"key"`
	Sequence uint64 `json:"sequence"`
	Worker   int    `json:"worker"` // the process
}

func openBook(path string) (*book, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	return &book{file: file, done: map[string]bool{}}, err
}

// handle does the work for an event unless any worker has done it, which news reports. When it returns the work survives a power cut.
func (b *book) handle(e event) (news bool, err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if err = syscall.Flock(int(b.file.Fd()), syscall.LOCK_EX); err == nil {
		news, err = b.write(e)
		err = errors.Join(err, syscall.Flock(int(b.file.Fd()), syscall.LOCK_UN))
	}
	if err != nil {
		err = fmt.Errorf("%w: %w", errBook, err)
	}
	return news, err
}

// write writes the line of an event if it is missing. No other process writes meanwhile.
func (b *book) write(e event) (news bool, err error) {
	if err := b.catchUp(); err != nil {
		return false, err
	}
	if b.done[e.ID] {
		return false, b.file.Sync() // its worker may have died before
	}
	text, err := json.Marshal(line{ID: e.ID, Key: e.PartitionKey, Sequence: e.Sequence, Worker: os.Getpid()})
	if err != nil {
		return false, err
	}
	if _, err := b.file.Write(append(text, '\n')); err != nil {
		return false, err
	}
	return true, b.file.Sync()
}

// catchUp reads what other workers have written, and removes an incomplete last line of one that died.
func (b *book) catchUp() error {
	text, err := io.ReadAll(io.NewSectionReader(b.file, b.read, 1<<62))
	if err != nil {
		return err
	}
	whole := text[:bytes.LastIndexByte(text, '\n')+1]
	for entry := range bytes.Lines(whole) {
		var l line
		if err := json.Unmarshal(entry, &l); err != nil {
			return fmt.Errorf("after byte %d: %w", b.read, err)
		}
		b.done[l.ID] = true
		b.read += int64(len(entry))
	}
	if len(whole) == len(text) {
		return nil
	}
	return b.file.Truncate(b.read)
}
