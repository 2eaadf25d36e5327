package publish

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"
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

// open returns the stream, and a connection to its server.
func (s *Shelf) open(ctx context.Context) (*Conn, jetstream.Stream, error) {
	conn, err := s.Reach()
	if err != nil {
		return nil, nil, fmt.Errorf("stream %s: %w", s.Stream, err)
	}
	stream, err := conn.stream(ctx, s.Stream)
	return conn, stream, err
}

// Each calls f for every message that is on the shelf now, oldest first. It returns the first error of f.
func (s *Shelf) Each(ctx context.Context, f func(Kept) error) error {
	return s.After(ctx, 0, f)
}

// After is Each for the messages behind a sequence.
func (s *Shelf) After(ctx context.Context, sequence uint64, f func(Kept) error) error {
	return s.from(ctx, pageFrom{Sequence: sequence + 1}, f)
}

// errFound ends a search.
var errFound = errors.New("found")

// Find returns the message with an id. It reads from the moment on that an id of version 7 tells, as those of quarantined callbacks do,
// and the whole shelf only where that has not found it.
func (s *Shelf) Find(ctx context.Context, id string) (found Kept, ok bool, err error) {
	starts := []time.Time{{}}
	if made := MadeAt(id); !made.IsZero() {
		starts = []time.Time{made, {}}
	}
	for _, start := range starts {
		err = s.since(ctx, start, func(kept Kept) error {
			if kept.ID != id {
				return nil
			}
			found = kept
			return errFound
		})
		if err != nil {
			break
		}
	}
	if errors.Is(err, errFound) {
		return found, true, nil
	}
	return Kept{}, false, err
}

// MadeAt returns when an id of version 7 was made; zero: the id does not say.
func MadeAt(id string) time.Time {
	parsed, err := uuid.Parse(id)
	if err != nil || parsed.Version() != 7 {
		return time.Time{}
	}
	return time.Unix(parsed.Time().UnixTime()).Truncate(time.Millisecond)
}

// since calls f for every message that is on the shelf now and was put there at a time or later.
func (s *Shelf) since(ctx context.Context, start time.Time, f func(Kept) error) error {
	var from pageFrom
	if !start.IsZero() {
		from.Time = &start
	}
	return s.from(ctx, from, f)
}

// from calls f for every message that is on the shelf now, from a place on, of its subject alone if it has one.
func (s *Shelf) from(ctx context.Context, next pageFrom, f func(Kept) error) error {
	conn, stream, err := s.open(ctx)
	if err != nil {
		return err
	}
	state := stream.CachedInfo().State
	if state.Msgs == 0 {
		return nil
	}
	if next.Time == nil || !stream.CachedInfo().Config.AllowDirect {
		next = pageFrom{Sequence: max(next.Sequence, state.FirstSeq), Subject: next.Subject}
	}
	for most := firstPage; next.Time != nil || next.Sequence <= state.LastSeq; most = pageMessages {
		page, more, err := s.page(ctx, conn, stream, next, most)
		if err != nil {
			return fmt.Errorf("read stream %s: %w", s.Stream, err)
		}
		for _, kept := range page {
			if kept.Sequence > state.LastSeq {
				return nil
			}
			if err := f(kept); err != nil {
				return err
			}
			next = pageFrom{Sequence: kept.Sequence + 1, Subject: next.Subject}
		}
		if !more {
			return nil
		}
	}
	return nil
}

// page returns the next messages of the stream, at most so many, and whether there may be more. A stream without direct get has pages of one.
func (s *Shelf) page(ctx context.Context, conn *Conn, stream jetstream.Stream, from pageFrom, most int) (page []Kept, more bool, err error) {
	if stream.CachedInfo().Config.AllowDirect {
		messages, more, err := conn.page(ctx, s.Stream, from, most)
		for _, msg := range messages {
			kept, failed := keptOf(msg)
			if failed != nil {
				return nil, false, failed
			}
			page = append(page, kept)
		}
		return page, more, err
	}
	// The subject makes the server skip what was dropped in between.
	msg, err := stream.GetMsg(ctx, from.Sequence, jetstream.WithGetMsgSubject(cmp.Or(from.Subject, ">")))
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return nil, false, nil
	}
	if err != nil {
		return nil, false, err
	}
	kept := Kept{Subject: msg.Subject, Sequence: msg.Sequence, At: msg.Time, Body: msg.Data, header: msg.Header}
	kept.ID = cmp.Or(msg.Header.Get(idHeader), msg.Header.Get(ownID))
	return []Kept{kept}, true, nil
}

// Holds reports whether a message is still on the shelf.
func (s *Shelf) Holds(ctx context.Context, kept Kept) (bool, error) {
	_, stream, err := s.open(ctx)
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
	_, stream, err := s.open(ctx)
	if err == nil {
		err = stream.DeleteMsg(ctx, kept.Sequence)
	}
	if err != nil && !errors.Is(err, jetstream.ErrMsgNotFound) {
		return fmt.Errorf("drop %s: %w", kept.ID, err)
	}
	return s.CommitAll.after(ctx, nil)
}
