package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"
)

// book is this example's work: a line in a file for each event. The line also holds the event's id, so that the work and the record of
// it are one atomic write. With a database do the same: update your tables and a table of ids in one transaction (../deals-table). Only
// one process may write a book.
type book struct {
	file        *os.File
	now, before map[string]bool // ids
}

// remembered is how many of the last ids are recognised, at least. A change is repeated within minutes, or by a replay; an older id makes
// a second line.
const remembered = 500_000

// errBook says that the work failed. The process then exits, because the last line may be incomplete; the next start repairs it.
var errBook = errors.New("the book cannot be written")

type line struct {
	ID         string              `json:"id"`
	Deals      []string            `json:"deals"`
	OccurredAt time.Time           `json:"occurredAt,omitzero"`
	Changed    map[string][]string `json:"changed,omitempty"`
}

// openBook reads which events are done, and removes an incomplete last line.
func openBook(path string) (*book, error) {
	file, err := os.OpenFile(path, os.O_RDWR|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	b := &book{file: file, now: map[string]bool{}}
	lines, whole := bufio.NewReader(file), int64(0)
	for {
		text, err := lines.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return b, file.Truncate(whole)
		}
		var l line
		if err == nil {
			err = json.Unmarshal(text, &l)
		}
		if err != nil {
			return nil, fmt.Errorf("%s, after byte %d: %w", path, whole, err)
		}
		whole += int64(len(text))
		b.remember(l.ID)
	}
}

// handle does the work for an event unless it is done, which news reports. When it returns the work survives a power cut.
func (b *book) handle(id string, c change) (news bool, err error) {
	if b.now[id] || b.before[id] {
		return false, nil
	}
	text, err := json.Marshal(line{ID: id, Deals: c.IDs, OccurredAt: c.OccurredAt, Changed: c.Fields})
	if err != nil {
		return false, err
	}
	if _, err = b.file.Write(append(text, '\n')); err == nil {
		err = b.file.Sync()
	}
	if err != nil {
		return false, fmt.Errorf("%w: %w", errBook, err)
	}
	b.remember(id)
	return true, nil
}

func (b *book) remember(id string) {
	if len(b.now) == remembered {
		b.now, b.before = map[string]bool{}, b.now
	}
	b.now[id] = true
}
