package publish

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// Span is a part of a stream that has an end: what is stored later is not in it. Reading it leaves nothing on the server.
type Span struct {
	Conn        *Conn
	Stream      string
	Made        time.Time // when the stream was made: another one of that name is not read
	Subjects    []string  // filters; empty: all
	First, Last uint64    // sequences, both in it
	Only        []uint64  // sequences of the only messages in it; nil: all
	HeadersOnly bool      // read messages without their data
	// Patience is how long reading may fail before Each gives up.
	Patience time.Duration
	// Idle is called before Each waits for messages; nil: nothing is.
	Idle func()
	// Failed is called with why reading failed and is retried; nil: it is not.
	Failed func(error)
}

// Bounds limit a span; zero values do not.
type Bounds struct {
	Since    time.Time // stored then or later
	Until    time.Time // stored before
	From, To uint64    // sequences, both in it
}

// OpenSpan finds the part of a stream that lies within bounds; it ends at the latest with the stream's last message of now.
func (c *Conn) OpenSpan(ctx context.Context, stream string, subjects []string, bounds Bounds) (*Span, error) {
	have, err := c.stream(ctx, stream)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil, missing(stream)
	}
	if err != nil {
		return nil, err
	}
	info := have.CachedInfo()
	for _, filter := range uncovered(info.Config, subjects) {
		// Messages of a stream's former subjects may still be in it.
		if held, err := have.Info(ctx, jetstream.WithSubjectFilter(filter)); err != nil {
			return nil, fmt.Errorf("read stream %s: %w", stream, err)
		} else if len(held.State.Subjects) == 0 {
			return nil, uncoveredError(info.Config, filter)
		}
	}
	s := &Span{
		Conn: c, Stream: stream, Made: info.Created, Subjects: apart(subjects),
		First: max(info.State.FirstSeq, bounds.From, 1), Last: info.State.LastSeq,
	}
	if bounds.To > 0 {
		s.Last = min(s.Last, bounds.To)
	}
	if !bounds.Since.IsZero() {
		since, err := c.sequenceAt(ctx, stream, bounds.Since)
		if err != nil {
			return nil, fmt.Errorf("read stream %s: %w", stream, err)
		}
		s.First = max(s.First, since)
	}
	if !bounds.Until.IsZero() && !bounds.Until.After(info.State.LastTime) {
		until, err := c.sequenceAt(ctx, stream, bounds.Until)
		if err != nil {
			return nil, fmt.Errorf("read stream %s: %w", stream, err)
		}
		s.Last = min(s.Last, until-1)
	}
	return s, nil
}

// Count returns how many messages of the span there are from a sequence on; a few less while the stream stores hundreds a second.
func (s *Span) Count(ctx context.Context, from uint64) (uint64, error) {
	if from = max(from, s.First); from > s.Last {
		return 0, nil
	}
	if s.Only != nil {
		return uint64(len(s.only(from))), nil
	}
	least := uint64(0)
	for range 10 { // what is stored between the requests would count
		behind, err := s.pending(ctx, s.Last+1)
		if err != nil {
			return 0, err
		}
		all, err := s.pending(ctx, from)
		if err != nil {
			return 0, err
		}
		again, err := s.pending(ctx, s.Last+1)
		if least = all - min(all, again); err != nil || again == behind {
			return least, err
		}
	}
	return least, nil // of a stream that takes hundreds a second
}

// pending returns how many messages on the span's subjects the stream holds from a sequence on.
func (s *Span) pending(ctx context.Context, from uint64) (uint64, error) {
	info, err := s.Conn.look(ctx, s.Stream, jetstream.ConsumerConfig{FilterSubjects: s.Subjects, DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: from})
	if err != nil {
		return 0, fmt.Errorf("read stream %s: %w", s.Stream, err)
	}
	return info.NumPending, nil
}
