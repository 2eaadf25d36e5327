package publish

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/crm-bridge/crm-bridge/ingest/retry"
)

// reading is how far the reading of a span has come.
type reading struct {
	next   uint64 // sequence
	done   bool   // there is nothing more
	copies bool   // the stream has several, and a consumer may read one that is behind the others
	each   func(Stored) error
	failed error // what each returned
}

// Each calls each once for every message of the span, in order, until each returns an error, which it returns. It resumes after a lost
// connection. The data of a message stays valid.
func (s *Span) Each(ctx context.Context, each func(Stored) error) error {
	if s.Only != nil {
		return s.eachOnly(ctx, each)
	}
	at := &reading{next: s.First, each: each}
	good := time.Now()
	for at.next <= s.Last && !at.done {
		before := at.next
		err := s.read(ctx, at)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case at.failed != nil:
			return at.failed
		case errors.As(err, new(MisfitError)), errors.Is(err, jetstream.ErrStreamNotFound):
			return err
		}
		if at.next > before {
			good = time.Now()
		}
		if err == nil && !at.done && at.next == before {
			err = fmt.Errorf("read stream %s: the server reports more messages and sends none", s.Stream)
		}
		if err == nil {
			continue
		}
		if time.Since(good) > s.Patience {
			return err
		}
		if s.Failed != nil && (!errors.Is(err, errBehind) || time.Since(good) > time.Second) { // a moment is usual
			s.Failed(err)
		}
		if err := retry.Sleep(ctx, retryEvery); err != nil {
			return err
		}
	}
	return nil
}

// retryEvery is the time between two attempts to read.
const retryEvery = 250 * time.Millisecond

// consumerRests is how long the server keeps a consumer that is not used.
const consumerRests = 5 * time.Minute

const (
	spanBatch   = 1024
	spanExpires = 2 * time.Second
)

// read reads from a place on, until there is nothing more, something fails or the consumer falls silent.
func (s *Span) read(ctx context.Context, at *reading) error {
	stream, err := s.open(ctx)
	if err != nil {
		return err
	}
	config := jetstream.ConsumerConfig{FilterSubjects: s.Subjects, HeadersOnly: s.HeadersOnly, InactiveThreshold: consumerRests}
	p, pending, err := s.Conn.pull(ctx, s.Stream, at.next, config, spanBatch, spanExpires)
	if err != nil {
		return fmt.Errorf("read stream %s: %w", s.Stream, err)
	}
	defer p.close()
	at.copies = stream.CachedInfo().Config.Replicas > 1
	if pending == 0 {
		err = s.end(ctx, at)
	} else {
		err = s.pull(ctx, p, at)
	}
	if err != nil && !errors.Is(err, errStale) {
		return fmt.Errorf("read stream %s: %w", s.Stream, err)
	}
	return nil
}

// open returns the stream, if it is still the one that the span is a part of.
func (s *Span) open(ctx context.Context) (jetstream.Stream, error) {
	stream, err := s.Conn.stream(ctx, s.Stream)
	if err != nil {
		return nil, err
	}
	if made := stream.CachedInfo().Created; !made.Equal(s.Made) {
		return nil, misfit("stream %s is not the one it was: it was recreated on %s", s.Stream, made.Format(time.RFC3339))
	}
	return stream, nil
}

// pull passes messages to at.each up to the last of the span.
func (s *Span) pull(ctx context.Context, p *puller, at *reading) error {
	for {
		msg, err := p.next(ctx, s.Idle)
		if err != nil {
			return err
		}
		m, err := p.received(msg)
		if err != nil {
			return err
		}
		if m.Sequence > s.Last {
			at.done = true
			return nil
		}
		if err := at.each(m); err != nil {
			at.failed = err
			return err
		}
		if at.next = m.Sequence + 1; m.Sequence == s.Last {
			at.done = true
			return nil
		}
		if m.Pending == 0 {
			return s.end(ctx, at)
		}
	}
}

// errBehind says that the copy of the stream that was read lacks what others have.
var errBehind = errors.New("the server's copy is behind")

// end notes that there is nothing more, as the consumer reports. Of several copies only the leader's is complete: the others may get
// an acknowledged message later.
func (s *Span) end(ctx context.Context, at *reading) error {
	filters := s.Subjects
	if len(filters) == 0 {
		filters = []string{">"}
	}
	for _, filter := range filters {
		if !at.copies {
			break
		}
		next, err := s.Conn.next(ctx, s.Stream, filter, at.next)
		if err != nil {
			return fmt.Errorf("whether there is more: %w", err)
		}
		if 0 < next && next <= s.Last {
			return errBehind
		}
	}
	at.done = true
	return nil
}
