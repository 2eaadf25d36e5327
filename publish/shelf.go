package publish

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Shelf is a stream of messages that wait for a person, who reads and drops them one by one.
type Shelf struct {
	Stream string
	// Reach returns the connection to the server that has the stream, or why there is none now.
	Reach     func() (*Conn, error)
	CommitAll Commit // of a deletion
}

// idHeader holds the id of a kept message, so that one is found without reading its body.
const idHeader = "crm-quarantine-id"

// Kept is a message on a shelf.
type Kept struct {
	ID       string
	Subject  string
	Sequence uint64
	At       time.Time // when it was put there
	Body     []byte

	header nats.Header
}

func (s *Shelf) open(ctx context.Context) (jetstream.Stream, error) {
	conn, err := s.Reach()
	if err != nil {
		return nil, fmt.Errorf("stream %s: %w", s.Stream, err)
	}
	return conn.stream(ctx, s.Stream)
}

// Each calls f for every message that is on the shelf now, oldest first. It returns the first error of f.
func (s *Shelf) Each(ctx context.Context, f func(Kept) error) error {
	stream, err := s.open(ctx)
	if err != nil {
		return err
	}
	last := stream.CachedInfo().State.LastSeq
	for next := stream.CachedInfo().State.FirstSeq; next <= last; next++ {
		// The subject makes the server skip what was dropped in between.
		msg, err := stream.GetMsg(ctx, next, jetstream.WithGetMsgSubject(">"))
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read stream %s: %w", s.Stream, err)
		}
		if next = msg.Sequence; next > last {
			return nil
		}
		for _, name := range []string{jetstream.StreamHeader, jetstream.SequenceHeader, jetstream.TimeStampHeaer, jetstream.SubjectHeader, jetstream.LastSequenceHeader} {
			delete(msg.Header, name) // of this read: they must not be sent on with the message
		}
		kept := Kept{ID: cmp.Or(msg.Header.Get(idHeader), msg.Header.Get(ownID)), Subject: msg.Subject, Sequence: msg.Sequence, At: msg.Time, Body: msg.Data, header: msg.Header}
		if err := f(kept); err != nil {
			return err
		}
	}
	return nil
}

// Holds reports whether a message is still on the shelf.
func (s *Shelf) Holds(ctx context.Context, kept Kept) (bool, error) {
	stream, err := s.open(ctx)
	if err == nil {
		_, err = stream.GetMsg(ctx, kept.Sequence)
	}
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return false, nil
	}
	return err == nil, err
}

// Drop removes a message permanently.
func (s *Shelf) Drop(ctx context.Context, kept Kept) error {
	stream, err := s.open(ctx)
	if err == nil {
		err = stream.DeleteMsg(ctx, kept.Sequence)
	}
	if err != nil && !errors.Is(err, jetstream.ErrMsgNotFound) {
		return fmt.Errorf("drop %s: %w", kept.ID, err)
	}
	return s.CommitAll.after(ctx, nil)
}
