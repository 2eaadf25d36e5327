package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	bolt "go.etcd.io/bbolt"
)

// table keeps the rows and the position in the stream in one file, and updates both in one transaction, so that a crash cannot separate
// them.
type table struct{ db *bolt.DB }

// The file has two buckets.
var (
	rows     = []byte("rows")     // records by partitionkey
	progress = []byte("progress") // the position, under its own name
	latest   = []byte("position")
)

// errTable says that the table cannot be written; the program then exits.
var errTable = errors.New("the table cannot be written")

// position is the last state that is in the table.
type position struct {
	Stream   string    `json:"stream"`
	Subject  string    `json:"subject"`
	Created  time.Time `json:"created"` // a new stream has new sequences
	Sequence uint64    `json:"sequence"`
}

func openTable(path string) (*table, error) {
	db, err := bolt.Open(path, 0o600, &bolt.Options{Timeout: time.Second})
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	return &table{db}, db.Update(func(tx *bolt.Tx) error {
		_, err := tx.CreateBucketIfNotExists(rows)
		_, err2 := tx.CreateBucketIfNotExists(progress)
		return errors.Join(err, err2)
	})
}

// position returns how far the stream was read. A table of another stream, or of one that was made again, is emptied: what it holds may
// be gone from the CRM.
func (t *table) position(s source, stream *jetstream.StreamInfo) (at position, err error) {
	err = t.db.Update(func(tx *bolt.Tx) error {
		if at, err = positionIn(tx); err != nil {
			return err
		}
		if at.Stream == s.stream && at.Subject == s.subject && at.Created.Equal(stream.Created) && at.Sequence <= stream.State.LastSeq {
			return nil
		}
		at = position{Stream: s.stream, Subject: s.subject, Created: stream.Created}
		if err := tx.DeleteBucket(rows); err != nil {
			return err
		}
		_, err := tx.CreateBucket(rows)
		return errors.Join(err, at.write(tx))
	})
	if err != nil {
		err = fmt.Errorf("%w: %w", errTable, err)
	}
	return at, err
}

// positionIn returns the position in the file; zero if there is none.
func positionIn(tx *bolt.Tx) (at position, err error) {
	if text := tx.Bucket(progress).Get(latest); text != nil {
		err = json.Unmarshal(text, &at)
	}
	return at, err
}

func (at position) write(tx *bolt.Tx) error {
	text, err := json.Marshal(at)
	if err != nil {
		return err
	}
	return tx.Bucket(progress).Put(latest, text)
}

// apply applies states to the table, and returns the new position.
func (t *table) apply(at position, messages []jetstream.Msg) (position, error) {
	err := t.db.Update(func(tx *bolt.Tx) error {
		for _, msg := range messages {
			meta, err := msg.Metadata()
			if err != nil {
				return err
			}
			at.Sequence = meta.Sequence.Stream
			s, err := decode(msg.Headers(), msg.Data())
			if err != nil {
				fmt.Fprintf(os.Stderr, "%s %d is skipped: %v\n", at.Stream, at.Sequence, err)
				continue
			}
			if err := s.write(tx.Bucket(rows)); err != nil {
				return err
			}
		}
		return at.write(tx)
	})
	if err != nil {
		err = fmt.Errorf("%w: %w", errTable, err)
	}
	return at, err
}
