package publish

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
)

const (
	// maxPending bounds the unacknowledged messages of a sender; one more waits up to pendingWait, then fails.
	maxPending  = 16384
	pendingWait = time.Second
)

var errTooManyPending = errors.New("too many events wait for an acknowledgement of NATS")

// sender sends messages to a stream and waits until they are acknowledged and committed. One goroutine reads the acknowledgements of
// all calls from one inbox, commits once for all that have arrived, and wakes each caller once.
type sender struct {
	conn   *Conn
	stream string             // whose acknowledgements count
	commit Commit             // of acknowledged messages
	synced func(callers int)  // called before each commit
	inbox  string             // prefix of reply subjects; the rest is the number of a message
	acks   chan *nats.Msg     // holds one for each pending message
	status <-chan nats.Status // of the connection, when what is pending is lost

	mu      sync.Mutex
	last    uint64             // number of the last message
	pending map[uint64]pending // messages without an acknowledgement, by number
	room    chan struct{}      // closed when a pending message leaves; nil: nobody waits for that
}

// pending is a message without an acknowledgement.
type pending struct {
	call  *call
	index int // in the call
}

// call is messages that are sent together. The sender's mutex guards it until done is closed.
type call struct {
	acks   []Ack
	left   int           // messages without an acknowledgement
	first  uint64        // number of its first message; 0: none was sent yet
	group  *group        // that it is committed with; nil: not all of it is acknowledged
	failed int           // index of the message that failed
	err    error         // why it failed
	done   chan struct{} // closed when the call has ended
}

// openSender returns a sender that works until the connection is closed.
func openSender(conn *Conn, stream string, commit Commit, synced func(callers int)) (*sender, error) {
	s := &sender{
		conn: conn, stream: stream, commit: commit, synced: synced, inbox: conn.nats.NewInbox() + ".",
		acks: make(chan *nats.Msg, maxPending), pending: map[uint64]pending{},
		status: conn.nats.StatusChanged(nats.RECONNECTING, nats.CLOSED),
	}
	if _, err := conn.nats.ChanSubscribe(s.inbox+"*", s.acks); err != nil {
		return nil, err
	}
	conn.readers.Go(s.read)
	return s, nil
}

// send sends the messages that have no ack yet. It returns when the stream has acknowledged all of them and they are committed, or
// with the first error and the index of its message; errSilent when silent fires. It enters the acks that have arrived. Nothing is
// sent after it has returned. Messages that all have an ack are only committed.
func (s *sender) send(ctx context.Context, messages []*message, acks []Ack, silent <-chan time.Time) (failed int, err error) {
	c := &call{acks: acks, done: make(chan struct{})}
	for _, ack := range acks {
		if ack.Stream == "" {
			c.left++
		}
	}
	if c.left == 0 {
		return 0, s.commit.after(ctx, nil)
	}
	for i, msg := range messages {
		if acks[i].Stream != "" {
			continue
		}
		if err := s.sendOne(ctx, c, i, msg); err != nil {
			return s.leave(c, i, err)
		}
	}
	select {
	case <-c.done:
		c.group.trace(ctx, c.err)
		return c.failed, c.err
	case <-silent:
		return s.leave(c, -1, errSilent)
	case <-ctx.Done():
		return s.leave(c, -1, ctx.Err())
	}
}

// sendOne sends a message of a call, unless the call has failed.
func (s *sender) sendOne(ctx context.Context, c *call, index int, msg *message) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	number, err := s.enter(ctx, c, index)
	if err != nil {
		return err
	}
	msg.Reply = replyTo(s.inbox, number)
	if err = s.conn.nats.PublishMsg(&msg.Msg); err != nil {
		s.mu.Lock()
		defer s.mu.Unlock()
		s.take(number)
	}
	return err
}

// enter makes a message of a call pending, and returns its number. It waits for room.
func (s *sender) enter(ctx context.Context, c *call, index int) (number uint64, err error) {
	var late <-chan time.Time
	for {
		room, err := s.tryEnter(c, index, &number)
		if err != nil || room == nil {
			return number, err
		}
		if late == nil {
			timer := time.NewTimer(pendingWait)
			defer timer.Stop()
			late = timer.C
		}
		select {
		case <-room:
		case <-late:
			return 0, errTooManyPending
		case <-ctx.Done():
			return 0, ctx.Err()
		}
	}
}

// tryEnter is enter that does not wait: it returns a channel that is closed when there may be room.
func (s *sender) tryEnter(c *call, index int, number *uint64) (room <-chan struct{}, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case c.err != nil:
		return nil, c.err
	case len(s.pending) >= maxPending:
		if s.room == nil {
			s.room = make(chan struct{})
		}
		return s.room, nil
	case c.first == 0:
		c.first = s.last + 1
		s.last += uint64(len(c.acks))
	}
	*number = c.first + uint64(index)
	s.pending[*number] = pending{c, index}
	return nil, nil
}

// take returns the pending message with a number, which is not pending any more. The caller holds the mutex.
func (s *sender) take(number uint64) (pending, bool) {
	p, ok := s.pending[number]
	if !ok {
		return p, false
	}
	delete(s.pending, number)
	if s.room != nil {
		close(s.room)
		s.room = nil
	}
	return p, true
}

// leave ends a call for its caller with the error of a message; index -1: of the first without an ack. It returns how the call ended,
// if it already has.
func (s *sender) leave(c *call, index int, err error) (failed int, _ error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-c.done:
		return c.failed, c.err
	default:
	}
	if c.group != nil {
		c.group.leave()
		return 0, fmt.Errorf("%w%w", errNotSynced, silent{err})
	}
	if index < 0 {
		index = slices.IndexFunc(c.acks, func(ack Ack) bool { return ack.Stream == "" })
	}
	s.fail(c, index, err)
	return c.failed, c.err
}

// fail ends a call with the error of a message. The caller holds the mutex.
func (s *sender) fail(c *call, index int, err error) {
	unanswered := false
	for number := c.first; c.first > 0 && number < c.first+uint64(len(c.acks)); number++ {
		if _, is := s.take(number); is {
			unanswered = true
		}
	}
	if unanswered {
		err = fmt.Errorf("%w%w", err, silent{ErrUnanswered})
	}
	c.failed, c.err = index, err
	close(c.done)
}
