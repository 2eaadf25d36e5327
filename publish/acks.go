package publish

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// gatherTime bounds how long acknowledged calls wait for others that are in flight to share their commit.
const gatherTime = time.Millisecond

// gatherShare is how many acknowledged messages outweigh one in flight: with fewer in flight a commit begins at once. A lone caller
// never waits.
const gatherShare = 4

// group is acknowledged calls that are committed together.
type group struct {
	calls   []*call
	acked   int    // messages
	waiting int    // callers that have not left
	end     func() // ends the commit; nil: it has not begun
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
		err = s.commit(ctx)
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
	ack, failed := parseAnswer(msg, s.stream)
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

// parseAnswer returns what the answer to a message says: that the stream has it, or why not.
func parseAnswer(msg *nats.Msg, stream string) (Ack, error) {
	if ack, ok := parseAck(msg.Data, stream); ok {
		return ack, nil
	}
	if len(msg.Data) == 0 && msg.Header.Get("Status") == "503" {
		return Ack{}, jetstream.ErrNoStreamResponse
	}
	var answer struct {
		Stream    string
		Seq       uint64
		Duplicate bool
		Error     *jetstream.APIError
	}
	switch err := json.Unmarshal(msg.Data, &answer); {
	case err != nil, answer.Error == nil && answer.Stream == "":
		return Ack{}, jetstream.ErrInvalidJSAck
	case answer.Error != nil:
		return Ack{}, answer.Error
	case answer.Stream != stream:
		return Ack{}, fmt.Errorf("acknowledged by stream %q, not by %q", answer.Stream, stream)
	}
	return Ack{Stream: stream, Sequence: answer.Seq, Duplicate: answer.Duplicate}, nil
}

// parseAck reads an acknowledgement of a stream as the server writes it, {"stream":"CRM","seq":7} or with ,"duplicate": true; ok is false
// for anything else.
func parseAck(data []byte, stream string) (ack Ack, ok bool) {
	rest, ok := bytes.CutPrefix(data, []byte(`{"stream":"`))
	if !ok || len(rest) < len(stream) || string(rest[:len(stream)]) != stream {
		return ack, false
	}
	if rest, ok = bytes.CutPrefix(rest[len(stream):], []byte(`","seq":`)); !ok {
		return ack, false
	}
	digits := 0
	for digits < len(rest) && digits < maxDigits && '0' <= rest[digits] && rest[digits] <= '9' {
		ack.Sequence = 10*ack.Sequence + uint64(rest[digits]-'0')
		digits++
	}
	ack.Stream, ack.Duplicate = stream, string(rest[digits:]) == `,"duplicate": true}`
	return ack, digits > 0 && (ack.Duplicate || string(rest[digits:]) == "}")
}

// maxDigits is how many digits of a sequence cannot overflow it.
const maxDigits = 19
