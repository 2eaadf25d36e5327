package publish

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/crm-bridge/crm-bridge/ingest/retry"
)

// only returns the sequences of Only that lie in the span from one on, sorted.
func (s *Span) only(from uint64) []uint64 {
	within := slices.DeleteFunc(slices.Clone(s.Only), func(one uint64) bool { return one < max(from, s.First) || one > s.Last })
	slices.Sort(within)
	return slices.Compact(within)
}

// eachOnly is Each of the messages whose sequences are in Only: it gets one by one, without a consumer. It skips those that the stream no
// longer holds.
func (s *Span) eachOnly(ctx context.Context, each func(Stored) error) error {
	var stream jetstream.Stream
	good := time.Now()
	for left := s.only(0); len(left) > 0; {
		m, err := s.fetch(ctx, &stream, left[0])
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case errors.As(err, new(MisfitError)), errors.Is(err, jetstream.ErrStreamNotFound):
			return err
		case err != nil && time.Since(good) > s.Patience:
			return fmt.Errorf("read stream %s: %w", s.Stream, err)
		case err != nil:
			stream = nil // it may be another one when the server is back
			if s.Failed != nil {
				s.Failed(err)
			}
			if err := retry.Sleep(ctx, retryEvery); err != nil {
				return err
			}
			continue
		}
		if good, left = time.Now(), left[1:]; m == nil {
			continue
		}
		m.Pending = uint64(len(left))
		if err := each(*m); err != nil {
			return err
		}
	}
	return nil
}

// fetch returns a message of the stream; nil: it holds none of that sequence on the span's subjects.
func (s *Span) fetch(ctx context.Context, stream *jetstream.Stream, sequence uint64) (*Stored, error) {
	if *stream == nil {
		found, err := s.open(ctx)
		if err != nil {
			return nil, err
		}
		*stream = found
	}
	m, err := (*stream).GetMsg(ctx, sequence)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	matches := func(filter string) bool { return covers(filter, m.Subject) }
	if len(s.Subjects) > 0 && !slices.ContainsFunc(s.Subjects, matches) {
		return nil, nil
	}
	return &Stored{Subject: m.Subject, Sequence: m.Sequence, At: m.Time, Header: m.Header, Data: m.Data}, nil
}
