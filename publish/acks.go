package publish

import (
	"context"
	"maps"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
)

// A commit waits for further acknowledgements, up to gatherTime, while more than one message is in flight for gatherShare acknowledged
// ones. A lone caller never waits, and from gatherMost acknowledged messages on nobody does.
const (
	gatherTime  = time.Millisecond
	gatherShare = 4
	gatherMost  = 2048
)

// group is acknowledged calls that are committed together.
type group struct {
	calls   []*call
	acked   int    // messages
	waiting int    // callers that have not left
	end     func() // ends the commit; nil: it has not begun

	began, ended time.Time // of the commit; zero: there was none
}

// trace records the commit, if there was one, in the trace of a caller.
func (g *group) trace(ctx context.Context, err error) {
	if g != nil && !g.began.IsZero() {
		traceCommit(ctx, g.began, g.ended, len(g.calls), err)
	}
}

// leave notes that a caller has left; a commit that nobody waits for is not repeated.
func (g *group) leave() {
	if g.waiting--; g.waiting == 0 && g.end != nil {
		g.end()
	}
}

// read reads acknowledgements until the connection is closed.
func (s *sender) read() {
	late := time.NewTimer(gatherTime)
	defer late.Stop()
	for {
		select {
		case msg := <-s.acks:
			if g := s.collect(msg, late); len(g.calls) > 0 {
				s.finish(g)
			}
		case status := <-s.status:
			s.lose()
			if status == nats.CLOSED {
				return
			}
		}
	}
}

// collect returns the calls that an acknowledgement and those behind it complete. It waits for more while many messages are in flight.
func (s *sender) collect(msg *nats.Msg, late *time.Timer) *group {
	g := &group{}
	waits := false
	for {
		inFlight := s.accept(g, msg)
		if len(g.calls) > 0 && g.acked >= gatherMost {
			return g
		}
		select {
		case msg = <-s.acks:
			continue
		default:
		}
		if s.commit == nil || len(g.calls) == 0 || inFlight <= g.acked/gatherShare {
			return g
		}
		if !waits {
			waits = true
			late.Reset(gatherTime)
		}
		select {
		case msg = <-s.acks:
		case <-late.C:
			return g
		}
	}
}

// finish commits for a group, and wakes its callers.
func (s *sender) finish(g *group) {
	var err error
	if s.commit != nil {
		s.synced(len(g.calls))
		ctx, end := context.WithCancel(context.Background())
		defer end()
		s.mu.Lock()
		g.end = end
		left := g.waiting == 0
		s.mu.Unlock()
		if left {
			return
		}
		g.began = time.Now()
		err = s.commit(ctx)
		g.ended = time.Now()
	}
	for _, c := range g.calls {
		c.err = err
		close(c.done)
	}
}

// lose fails the pending calls: what was sent over a connection that is lost is never answered.
func (s *sender) lose() {
	s.mu.Lock()
	defer s.mu.Unlock()
	lost := maps.Clone(s.pending)
	for number := range lost {
		s.take(number)
	}
	for _, p := range lost {
		if p.call.err == nil {
			s.fail(p.call, p.index, nats.ErrDisconnected)
		}
	}
}

// accept enters what msg says of a pending message, and returns how many are pending. It adds the call to the group if that was the
// last of its messages. An acknowledgement for a caller that has left is ignored.
func (s *sender) accept(g *group, msg *nats.Msg) (inFlight int) {
	number, err := strconv.ParseUint(strings.TrimPrefix(msg.Subject, s.inbox), 10, 64)
	ack, failed := acknowledgement(msg, s.stream)
	s.mu.Lock()
	defer s.mu.Unlock()
	p, ok := s.take(number)
	switch c := p.call; {
	case err != nil, !ok:
	case failed != nil:
		s.fail(c, p.index, failed)
	default:
		c.acks[p.index].Stream, c.acks[p.index].Sequence, c.acks[p.index].Duplicate = ack.Stream, ack.Sequence, ack.Duplicate
		g.acked++
		if c.left--; c.left == 0 {
			g.calls, c.group = append(g.calls, c), g
			g.waiting++
		}
	}
	return len(s.pending)
}
