package replay

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/crm-bridge/crm-bridge/publish"
	"github.com/crm-bridge/crm-bridge/publish/disk"
)

// Subject is a target that publishes events on the job's own subjects, with a bounded number of them in flight. Set the
// fields once.
//
// The job notes the sequence up to which all is acknowledged. What was stored beyond it, when a run died, is read from the
// stream that takes the events when the next one begins, and is not sent again.
type Subject struct {
	To          *publish.Replay
	SkipRefused bool                            // leave out events that the stream never takes
	Append      bool                            // what earlier jobs of the name have published stays
	Commit      func(ctx context.Context) error // brings what is acknowledged to the disk; nil: the acknowledgement means that
	SyncAll     func() error                    // brings a removal to the disk; nil: the acknowledgement means that
	Removed     func(left time.Duration)        // called before Claim waits for the stream to forget ids; nil: nothing is

	committer *disk.Committer // of Commit; nil: somebody else's

	held     map[uint64]bool // sequences beyond the job's own that were replayed
	most     uint64          // the greatest of them
	inFlight []sentMessage   // in order
	size     int             // bytes in flight
	made     uint64          // connections that were made when the last was sent
	reported Report          // what is done and was not reported yet
}

// sentMessage is a message in flight, and those behind it that need not be.
type sentMessage struct {
	sequence uint64
	counts   Tally
	size     int
	sending  *publish.Sending // nil: it need not be sent
	refused  RefusedError     // that it is, if the stream rejects it
}

// What may be in flight at once: so little that others who publish and read do not wait for a replay. The last event may go
// beyond the bytes.
const (
	atOnce      = 256
	bytesAtOnce = 8 << 20
)

// Begin implements Target.
func (t *Subject) Begin(ctx context.Context, at, beside uint64) error {
	t.inFlight, t.size, t.most, t.reported = nil, 0, 0, Report{}
	var err error
	if t.held, err = t.To.Held(ctx, beside); err != nil {
		return LostError{err}
	}
	for sequence := range t.held {
		if sequence <= at {
			delete(t.held, sequence)
		}
		t.most = max(t.most, sequence)
	}
	return nil
}

// Deliver implements Target. It waits behind the event until there is room for another one.
func (t *Subject) Deliver(ctx context.Context, m publish.Stored) (Report, error) {
	if t.held[m.Sequence] {
		delete(t.held, m.Sequence)
		return t.Skip(ctx, m.Sequence, Tally{Read: 1, Events: 1})
	}
	event, err := m.Event()
	if err != nil {
		return Report{}, NotEventError{err}
	}
	if err := t.sameConnection(); err != nil {
		return Report{}, err
	}
	refused := RefusedError{ID: event.ID(), Subject: m.Subject, Sequence: m.Sequence}
	sending, err := t.To.Send(m, event.ID())
	switch {
	case errors.Is(err, publish.ErrTooLarge):
		refused.Err = err
		return t.refuse(ctx, refused)
	case err != nil:
		return Report{}, LostError{err}
	}
	t.inFlight = append(t.inFlight, sentMessage{sequence: m.Sequence, counts: Tally{Read: 1, Events: 1}, size: len(m.Data), sending: sending, refused: refused})
	t.size += len(m.Data)
	return t.await(ctx, func() bool { return len(t.inFlight) >= atOnce || t.size >= bytesAtOnce || t.settled() })
}

// sameConnection returns an error if the next event may overtake those in flight: they were sent on a connection that was lost since, perhaps
// with them.
func (t *Subject) sameConnection() error {
	made := t.To.Conn.Made()
	if len(t.inFlight) > 0 && made != t.made {
		return t.stop(LostError{errConnection})
	}
	t.made = made
	return nil
}

// errConnection says why events in flight are sent again.
var errConnection = errors.New("the connection to NATS was lost with events in flight")

// await waits for the first in flight for as long as more says so, and reports what is done.
func (t *Subject) await(ctx context.Context, more func() bool) (Report, error) {
	var err error
	for err == nil && len(t.inFlight) > 0 && more() {
		err = t.first(ctx)
	}
	reported := t.reported
	t.reported = Report{}
	return reported, err
}

// settled reports whether the first in flight need not be waited for.
func (t *Subject) settled() bool {
	first := t.inFlight[0].sending
	return first == nil || first.Settled()
}

// first waits for the first in flight.
func (t *Subject) first(ctx context.Context) error {
	first := t.inFlight[0]
	if first.sending != nil {
		ack, err := first.sending.Wait(ctx)
		switch {
		case errors.Is(err, publish.ErrTooLarge):
			first.refused.Err = err
			if !t.SkipRefused {
				return t.stop(first.refused)
			}
			first.counts = Tally{Read: 1, Refused: 1}
			t.reported.Skipped = append(t.reported.Skipped, first.refused)
		case errors.Is(err, publish.ErrFull):
			return t.stop(fmt.Errorf("%w: stream %s: %w", ErrPermanent, t.To.Stream, err))
		case err != nil && ctx.Err() != nil:
			return err
		case err != nil:
			return t.stop(LostError{err})
		case ack.Duplicate:
			first.counts.Events, first.counts.Duplicates = 0, 1
		case first.sequence > t.most: // every event of the job before this one is noted
			t.reported.Beside = ack.Sequence
		}
	}
	t.inFlight, t.size = t.inFlight[1:], t.size-first.size
	t.report(first.sequence, first.counts)
	return nil
}

func (t *Subject) report(sequence uint64, counts Tally) {
	t.reported.At = sequence
	t.reported.Counts.add(counts)
}

// stop forgets what is in flight: the next run, or the next Begin, finds what of it is stored.
func (t *Subject) stop(err error) error {
	t.inFlight, t.size = nil, 0
	return err
}

// refuse is what becomes of an event that is too large to be sent.
func (t *Subject) refuse(ctx context.Context, refused RefusedError) (Report, error) {
	if !t.SkipRefused {
		return Report{}, t.stop(refused)
	}
	t.reported.Skipped = append(t.reported.Skipped, refused)
	return t.Skip(ctx, refused.Sequence, Tally{Read: 1, Refused: 1})
}

// Skip implements Target: what need not be sent is done when all before it is acknowledged.
func (t *Subject) Skip(ctx context.Context, sequence uint64, counts Tally) (Report, error) {
	switch {
	case len(t.inFlight) == 0:
		t.report(sequence, counts)
	case t.inFlight[len(t.inFlight)-1].sending == nil:
		last := &t.inFlight[len(t.inFlight)-1]
		last.sequence = sequence
		last.counts.add(counts)
	default:
		t.inFlight = append(t.inFlight, sentMessage{sequence: sequence, counts: counts})
	}
	return t.await(ctx, t.settled)
}

// Flush implements Target.
func (t *Subject) Flush(ctx context.Context) (Report, error) {
	return t.await(ctx, func() bool { return true })
}

// Sync implements Target.
func (t *Subject) Sync(ctx context.Context) error {
	if t.Commit == nil {
		return nil
	}
	if err := t.Commit(ctx); err != nil {
		return fmt.Errorf("%w: sync stream %s: %w", ErrPermanent, t.To.Stream, err)
	}
	return nil
}

// Close frees what Place.Subject has opened.
func (t *Subject) Close() error {
	if t.committer == nil {
		return nil
	}
	return t.committer.Close()
}
