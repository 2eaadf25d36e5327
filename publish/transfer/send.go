package transfer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/crm-bridge/crm-bridge/publish"
)

// What is in flight at most. The last message may go beyond the bytes.
const (
	atOnce      = 1024
	bytesAtOnce = 8 << 20
	// fillersAtOnce bounds the fillers that the target holds, messages instead of missing ones, so that they push no event out at its limit.
	fillersAtOnce = 512
)

// errWrongLast is JetStream's error for a message that is not directly behind the expected one.
const errWrongLast jetstream.ErrorCode = 10071

// run copies what is left of the stream, up to what the source holds now.
func (j *job) run(ctx context.Context) error {
	begun := false
	return j.persist(ctx, func() (further bool, err error) {
		if begun {
			if err := j.relocate(ctx); err != nil {
				return false, err
			}
		}
		begun = true
		before := j.next
		err = j.pass(ctx)
		return j.next > before, err
	})
}

// relocate finds the position again: what was in flight may be stored.
func (j *job) relocate(ctx context.Context) error {
	to, err := info(ctx, j.To, j.Config.Name)
	if err != nil {
		return err
	}
	if to == nil {
		return fmt.Errorf("stream %s of the target is gone", j.Config.Name)
	}
	j.to = to
	return j.locate(ctx)
}

// pass copies over the connections that there are, until something fails.
func (j *job) pass(ctx context.Context) error {
	if j.part.Ahead || j.part.Own || j.from.State.LastSeq == 0 {
		return nil
	}
	w := &writer{job: j, sent: j.last}
	if j.next <= j.from.State.LastSeq {
		span, err := j.From.OpenSpan(ctx, j.Config.Name, nil, publish.Bounds{From: j.next})
		if err != nil {
			return err
		}
		span.Patience, span.Failed, span.Last = j.Patience, j.Retrying, min(span.Last, j.from.State.LastSeq)
		if err := span.Each(ctx, func(m publish.Stored) error { return w.take(ctx, m) }); err != nil {
			return err
		}
	}
	if j.Keep { // what has left the source at its end
		if err := w.fill(ctx, j.from.State.LastSeq+1); err != nil {
			return err
		}
	}
	return w.await(ctx, func() bool { return true })
}

// writer sends the messages of one pass, each directly behind the one before it.
type writer struct {
	*job
	sent     uint64     // sequence of the last message on the target, when all in flight are stored
	inFlight []inFlight // in order
	size     int        // bytes in flight
}

// inFlight is a message that is not acknowledged yet.
type inFlight struct {
	sending *publish.Sending
	from    uint64 // its sequence in the source
	to      uint64 // and on the target
	size    int
	gap     bool
}

// take sends the copy of a message, and waits until there is room for another one.
func (w *writer) take(ctx context.Context, m publish.Stored) error {
	if w.Keep {
		if err := w.fill(ctx, m.Sequence); err != nil {
			return err
		}
	}
	if !w.covers(m.Subject) {
		w.part.Outside++
		if w.Keep {
			return w.fill(ctx, m.Sequence+1)
		}
		return nil
	}
	copying := publish.Copying{Stream: w.Config.Name, After: w.sent, Number: !w.Keep, TTL: w.ttl(m)}
	copying.Unique = time.Since(m.FirstStored()) < w.to.Config.Duplicates && !w.plain[m.Sequence]
	msg := copying.Message(m)
	if most := w.To.NATS().MaxPayload(); int64(msg.Size()-len(msg.Subject)) > most {
		return fmt.Errorf("message #%d of stream %s (%s, id %s) has %d bytes with its headers, and the target takes %d (max_payload): raise that limit",
			m.Sequence, w.Config.Name, m.Subject, m.MessageID(), msg.Size()-len(msg.Subject), most)
	}
	return w.send(ctx, msg, m.Sequence, false)
}

// fill sends fillers for what the source lacks before a sequence.
func (w *writer) fill(ctx context.Context, before uint64) error {
	for w.sent+1 < before {
		msg := publish.Copying{Stream: w.Config.Name, After: w.sent}.Message(publish.Stored{Subject: w.Gap, At: time.Now()})
		if err := w.send(ctx, msg, w.sent+1, true); err != nil {
			return err
		}
		if w.fillers++; w.fillers < fillersAtOnce {
			continue
		}
		if err := w.await(ctx, func() bool { return true }); err != nil {
			return err
		}
		if err := w.tidy(ctx); err != nil {
			return err
		}
		if before-w.sent > fillersAtOnce { // a long gap
			w.show("skipped up to sequence", w.sent, before-1)
		}
	}
	return nil
}

func (w *writer) send(ctx context.Context, msg *nats.Msg, from uint64, gap bool) error {
	sending, err := w.To.Send(msg)
	if err != nil {
		return errLost{err}
	}
	w.sent++
	w.inFlight = append(w.inFlight, inFlight{sending, from, w.sent, msg.Size(), gap})
	w.size += msg.Size()
	return w.await(ctx, func() bool {
		return len(w.inFlight) >= atOnce || w.size >= bytesAtOnce || w.inFlight[0].sending.Settled()
	})
}

// await waits for the first in flight for as long as more says so.
func (w *writer) await(ctx context.Context, more func() bool) error {
	for len(w.inFlight) > 0 && more() {
		if err := w.first(ctx); err != nil {
			return err
		}
	}
	return nil
}

// first waits for the first in flight, and notes the position behind it.
func (w *writer) first(ctx context.Context) error {
	first := w.inFlight[0]
	ack, err := first.sending.Wait(ctx)
	var api *jetstream.APIError
	switch {
	case errors.Is(err, publish.ErrTooLarge):
		return fmt.Errorf("message #%d of stream %s: the target's stream rejects it: %w; raise its max_msg_size", first.from, w.Config.Name, err)
	case errors.Is(err, publish.ErrFull):
		return fmt.Errorf("stream %s of the target is full: raise its limit (%s), and run the same command to resume", w.Config.Name, w.Config.BytesVariable)
	case errors.As(err, &api) && api.ErrorCode == errWrongLast:
		return errLost{fmt.Errorf("somebody else writes to stream %s of the target: %w", w.Config.Name, err)}
	case err != nil:
		return errLost{err}
	case ack.Duplicate: // another message of its id was stored within the window, in the source too
		w.plain[first.from] = true
		return errLost{fmt.Errorf("message #%d of stream %s repeats an id", first.from, w.Config.Name)}
	case ack.Sequence != first.to:
		return errLost{fmt.Errorf("message #%d of stream %s became #%d on the target", first.to, w.Config.Name, ack.Sequence)}
	}
	delete(w.plain, first.from)
	w.inFlight, w.size = w.inFlight[1:], w.size-first.size
	w.next, w.last, w.seen = first.from+1, first.to, first.to
	if first.gap {
		return nil
	}
	w.part.Copied++
	w.part.Left -= min(w.part.Left, 1)
	w.show("copied", w.part.Copied, w.part.Copied+w.part.Left)
	return nil
}

// show shows how far the work on the stream is.
func (j *job) show(done string, n, all uint64) {
	if j.Show != nil {
		j.Show("messages of "+j.Config.Name+" "+done, n, all)
	}
}

// covers reports whether the target's stream has a subject.
func (j *job) covers(subject string) bool {
	return slices.ContainsFunc(j.to.Config.Subjects, func(filter string) bool { return publish.Matches(filter, subject) })
}

// ttl returns how long a message has left on the target; 0: for as long as the stream says.
func (j *job) ttl(m publish.Stored) time.Duration {
	if age := j.to.Config.MaxAge; j.to.Config.AllowMsgTTL && age > 0 {
		return max(age-time.Since(m.FirstStored()), time.Second)
	}
	return 0
}
