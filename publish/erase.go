package publish

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Standing is what a stream is before it is searched.
type Standing struct {
	Own  bool   // the bridge made it
	Last uint64 // sequence of its last message
}

// Standing returns what a stream is; nil: there is none.
func (c *Conn) Standing(ctx context.Context, stream string) (*Standing, error) {
	have, err := c.stream(ctx, stream)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	info := have.CachedInfo()
	return &Standing{info.Config.Metadata[ours] == oursValue, info.State.LastSeq}, nil
}

// Erase removes a message securely: the server overwrites its bytes in the stream's files. It is not an error if the stream does not hold it.
func (c *Conn) Erase(ctx context.Context, stream string, sequence uint64) error {
	have, err := c.stream(ctx, stream)
	if err != nil {
		return err
	}
	if err = have.SecureDeleteMsg(ctx, sequence); err == nil {
		return nil
	}
	if _, missing := have.GetMsg(ctx, sequence); errors.Is(missing, jetstream.ErrMsgNotFound) {
		return nil
	}
	return fmt.Errorf("erase message %d of stream %s: %w", sequence, stream, err)
}

// Holds reports whether a stream holds a message.
func (c *Conn) Holds(ctx context.Context, stream string, sequence uint64) (bool, error) {
	have, err := c.stream(ctx, stream)
	if err == nil {
		_, err = have.GetMsg(ctx, sequence)
	}
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return false, nil
	}
	return err == nil, err
}

// ReadPages calls each for every message of a stream from a sequence on, in order, up to the last one of now, and returns the first error
// of each. It makes no consumer, which a work queue does not permit, and so reads all subjects.
func (c *Conn) ReadPages(ctx context.Context, stream string, from uint64, each func(Stored) error) error {
	return c.ReadSubject(ctx, stream, "", from, each)
}

// ReadSubject is ReadPages for the messages of one subject; empty: of all.
func (c *Conn) ReadSubject(ctx context.Context, stream, subject string, from uint64, each func(Stored) error) error {
	shelf := Shelf{Stream: stream, Reach: func() (*Conn, error) { return c, c.Up() }}
	return shelf.from(ctx, pageFrom{Sequence: from, Subject: subject}, func(kept Kept) error { return each(kept.stored()) })
}

// stored returns a kept message as one that was read.
func (k Kept) stored() Stored {
	return Stored{Subject: k.Subject, Sequence: k.Sequence, At: k.At, Header: k.header, Data: k.Body}
}

// StoredAs returns a message of a stream as it is in the stream's files.
func StoredAs(sequence uint64, subject string, header, data []byte) (Stored, error) {
	s := Stored{Subject: subject, Sequence: sequence, Data: data}
	if len(header) == 0 {
		return s, nil
	}
	of, err := nats.DecodeHeadersMsg(header)
	s.Header = of
	return s, err
}

// IsCallback reports whether the message is a quarantined callback, also on its way through a journal.
func (s Stored) IsCallback() bool { return len(s.Header[idHeader]) > 0 }
