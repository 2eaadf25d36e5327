package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/crm-bridge/crm-bridge/publish"
)

// toSubject publishes events on the job's own subjects, with a bounded number of them on their way.
//
// The job notes the sequence up to which all is acknowledged. What was stored beyond it, when a run died, is read from the
// stream that takes the events when the next one begins, and is not sent again.
type toSubject struct {
	*replay
	to     *publish.Replay
	commit func(ctx context.Context) error // brings what is acknowledged to the disk; nil: the acknowledgement means that
	skip   bool                            // what the stream refuses for good

	held map[uint64]bool // sequences beyond the job's own that were replayed
	most uint64          // the greatest of them
	way  []onWay         // in order
	size int             // bytes on their way
}

// onWay is a message that is sent, and those behind it that need not be.
type onWay struct {
	sequence uint64
	counts   tally
	size     int
	sending  *publish.Sending // nil: it need not be sent
	id       string
}

// What may be on its way at once: so little that others who publish and read do not wait for a replay.
const (
	atOnce      = 256
	bytesAtOnce = 8 << 20
)

func (t *toSubject) begin(ctx context.Context) error {
	t.way, t.size, t.most = nil, 0, 0
	var err error
	if t.held, err = t.to.Held(ctx, t.job.Beside); err != nil {
		return lostError{err}
	}
	for sequence := range t.held {
		if sequence <= t.job.At {
			delete(t.held, sequence)
		}
		t.most = max(t.most, sequence)
	}
	return nil
}

func (t *toSubject) give(ctx context.Context, m publish.Stored) error {
	if t.held[m.Sequence] {
		delete(t.held, m.Sequence)
		return t.pass(ctx, m, tally{Read: 1, Events: 1})
	}
	event, err := m.Event()
	if err != nil {
		return t.noEvent(ctx, m, err)
	}
	for len(t.way) >= atOnce || len(t.way) > 0 && (t.size+len(m.Data) > bytesAtOnce || t.settled()) {
		if err := t.first(ctx); err != nil {
			return err
		}
	}
	if time.Since(t.saved) >= savesEvery { // a run that takes the job over counts on it
		if err := t.replay.keep(ctx); err != nil {
			return err
		}
	}
	sending, err := t.to.Send(m, event.ID())
	if errors.Is(err, publish.ErrTooLarge) {
		return t.refused(ctx, m.Sequence, event.ID(), err)
	}
	if err != nil {
		return lostError{err}
	}
	t.way = append(t.way, onWay{sequence: m.Sequence, counts: tally{Read: 1, Events: 1}, size: len(m.Data), sending: sending, id: event.ID()})
	t.size += len(m.Data)
	return nil
}

// settled reports whether the first on its way need not be waited for.
func (t *toSubject) settled() bool {
	first := t.way[0].sending
	return first == nil || first.Settled()
}

// first waits for the first on its way.
func (t *toSubject) first(ctx context.Context) error {
	first := t.way[0]
	if first.sending != nil {
		ack, err := first.sending.Wait(ctx)
		switch {
		case errors.Is(err, publish.ErrTooLarge) && t.skip:
			first.counts = tally{Read: 1, Refused: 1}
			t.bar.Say("skipped: event %s of message %d: %s", first.id, first.sequence, err)
		case errors.Is(err, publish.ErrTooLarge):
			return t.stop(first.sequence, first.id, err)
		case errors.Is(err, publish.ErrFull):
			t.way = nil
			return fmt.Errorf("%w: stream %s is full and keeps what it holds: wait until its oldest events are seven days old, purge subjects of jobs that are done, or give it more room; the same command with --job %s goes on from here", errForGood, t.to.Stream, t.job.Name)
		case err != nil:
			return lostError{err}
		case ack.Duplicate:
			first.counts.Events, first.counts.Duplicates = 0, 1
		case first.sequence > t.most: // nothing of the job that is not noted stands before this one
			t.job.Beside = ack.Sequence
		}
	}
	t.way, t.size = t.way[1:], t.size-first.size
	return t.done(ctx, first.sequence, first.counts)
}

// refused is what becomes of an event that is too large to be sent.
func (t *toSubject) refused(ctx context.Context, sequence uint64, id string, err error) error {
	if !t.skip {
		return t.stop(sequence, id, err)
	}
	t.bar.Say("skipped: event %s of message %d: %s", id, sequence, err)
	return t.behind(ctx, sequence, tally{Read: 1, Refused: 1})
}

func (t *toSubject) stop(sequence uint64, id string, err error) error {
	t.way = nil // the next run finds what of it is stored
	return fmt.Errorf("%w: event %s (sequence %d): %w; --job %s --skip-refused goes on without it", errForGood, id, sequence, err, t.job.Name)
}

func (t *toSubject) pass(ctx context.Context, m publish.Stored, counts tally) error {
	return t.behind(ctx, m.Sequence, counts)
}

// behind notes what need not be sent when all before it is acknowledged.
func (t *toSubject) behind(ctx context.Context, sequence uint64, counts tally) error {
	if len(t.way) == 0 {
		return t.done(ctx, sequence, counts)
	}
	if last := &t.way[len(t.way)-1]; last.sending == nil {
		last.sequence = sequence
		last.counts.add(counts)
	} else {
		t.way = append(t.way, onWay{sequence: sequence, counts: counts})
	}
	for len(t.way) > 0 && t.settled() && t.way[0].sending != nil {
		if err := t.first(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (t *toSubject) flush(ctx context.Context) error {
	for len(t.way) > 0 {
		if err := t.first(ctx); err != nil {
			return err
		}
	}
	return nil
}

func (t *toSubject) keep(ctx context.Context) error {
	if t.commit == nil {
		return nil
	}
	if err := t.commit(ctx); err != nil {
		return fmt.Errorf("%w: sync stream %s: %w", errForGood, t.to.Stream, err)
	}
	return nil
}
