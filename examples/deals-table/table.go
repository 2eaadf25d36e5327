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

// table keeps the rows and the position in each source in one file, and updates both in one transaction, so that a crash cannot separate
// them.
type table struct{ db *bolt.DB }

var (
	rows      = []byte("rows")      // by record id
	positions = []byte("positions") // by source
)

// errTable says that the table cannot be written; the program then exits.
var errTable = errors.New("the table cannot be written")

// position is the last event of a source that is in the table.
type position struct {
	Created  time.Time `json:"created"` // of the stream: a new stream has new sequences
	Sequence uint64    `json:"sequence"`
}

func openTable(path string) (*table, error) {
	db, err := bolt.Open(path, 0o600, &bolt.Options{Timeout: time.Second})
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", path, err)
	}
	return &table{db}, db.Update(func(tx *bolt.Tx) error {
		_, err := tx.CreateBucketIfNotExists(rows)
		_, err2 := tx.CreateBucketIfNotExists(positions)
		return errors.Join(err, err2)
	})
}

// position returns how far a source was read; zero if its stream is a new one.
func (t *table) position(s source, stream *jetstream.StreamInfo) (at position, err error) {
	err = t.db.View(func(tx *bolt.Tx) error {
		return get(tx.Bucket(positions), s.subject, &at)
	})
	if !at.Created.Equal(stream.Created) || at.Sequence > stream.State.LastSeq {
		at = position{Created: stream.Created}
	}
	return at, err
}

// apply applies messages to the table, and returns the new position.
func (t *table) apply(s source, at position, messages []jetstream.Msg) (position, error) {
	err := t.db.Update(func(tx *bolt.Tx) error {
		for _, msg := range messages {
			meta, err := msg.Metadata()
			if err != nil {
				return err
			}
			at.Sequence = meta.Sequence.Stream
			c, err := read(msg.Headers(), msg.Data())
			if err != nil {
				fmt.Fprintf(os.Stderr, "%s %d is skipped: %v\n", s.stream, at.Sequence, err)
				continue
			}
			if err := write(tx.Bucket(rows), c); err != nil {
				return err
			}
		}
		return put(tx.Bucket(positions), s.subject, at)
	})
	if err != nil {
		err = fmt.Errorf("%w: %w", errTable, err)
	}
	return at, err
}

// write applies a change to the rows of its records.
func write(bucket *bolt.Bucket, c change) error {
	for _, id := range c.IDs {
		var r row
		if err := get(bucket, id, &r); err != nil {
			return err
		}
		r.apply(id, c)
		if err := put(bucket, id, r); err != nil {
			return err
		}
	}
	return nil
}

// get reads the value of a key into into, which a missing key leaves unchanged.
func get(bucket *bolt.Bucket, key string, into any) error {
	text := bucket.Get([]byte(key))
	if text == nil {
		return nil
	}
	return json.Unmarshal(text, into)
}

func put(bucket *bolt.Bucket, key string, value any) error {
	text, err := json.Marshal(value)
	if err != nil {
		return err
	}
	return bucket.Put([]byte(key), text)
}
