package search

import (
	"context"
	"fmt"
	"sync/atomic"

	"github.com/crm-bridge/crm-bridge/publish"
	"github.com/crm-bridge/crm-bridge/publish/replay"
)

// Tails follow a stream live, at most so many at once: each has a connection and a consumer of its own. Set the exported fields once.
type Tails struct {
	Reach  func(ctx context.Context) (*publish.Conn, error) // opens a connection, which the tail closes
	Stream string
	Most   int64 // at once; 0: 8

	open atomic.Int64
}

const defaultTails = 8

// BusyError says that as many tails are open as may be.
type BusyError int64

// Error names the bound.
func (most BusyError) Error() string {
	return fmt.Sprintf("%d live tails are open, the most at once: close one of them", int64(most))
}

// Tail is what one of them shows.
type Tail struct {
	Subjects []string // filters; empty: all that the stream takes
	replay.Selection
	From uint64                     // begin at this sequence; 0: with what comes from now on
	Lost func(why error)            // called when reading stops, once for each reason in a row; nil: nothing is
	Back func(remark string)        // called when reading resumes, with what is not as it was; nil: nothing is
	Each func(publish.Stored) error // called for each event; its error ends the tail
}

// Follow follows the stream until ctx ends or t.Each returns an error, which it returns. The error is BusyError if too many do.
func (s *Tails) Follow(ctx context.Context, t Tail) error {
	most := s.Most
	if most == 0 {
		most = defaultTails
	}
	defer s.open.Add(-1)
	if s.open.Add(1) > most {
		return BusyError(most)
	}
	follower := publish.Follower{Reach: s.Reach, Stream: s.Stream, Subjects: t.Subjects, From: t.From, Lost: t.Lost, Back: t.Back}
	return follower.Follow(ctx, func(m publish.Stored) error {
		if !t.Matches(m) {
			return nil
		}
		return t.Each(m)
	})
}
