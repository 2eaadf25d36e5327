package publish

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/semaphore"
)

const (
	// forwardWindow and forwardBytes bound what is in flight to the remote.
	forwardWindow = 2048
	forwardBytes  = 32 << 20
	// forwardTimeout is when a message that the remote has not acknowledged is sent again, since it was sent or the one before it was
	// acknowledged: a slow remote is not unreachable.
	forwardTimeout = 5 * time.Second
	// patienceFor is how long acknowledgements are awaited when forwarding ends or a message has failed.
	patienceFor = time.Second
)

// forward sends and settles messages until something fails, which it returns.
func (r *run) forward(ctx context.Context) error {
	messages, err := r.Journal.read(ctx)
	if err != nil {
		return err
	}
	defer messages.close()
	ctx, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	// Messages in flight when ctx ends may still be acknowledged.
	patience, lose := context.WithCancelCause(context.WithoutCancel(ctx))
	defer lose(nil)
	defer context.AfterFunc(ctx, func() {
		time.AfterFunc(patienceFor, func() {
			lose(context.Cause(ctx))
			r.remote.Close() // ends a send that still writes to it
		})
	})()

	if r.answers, err = r.remote.openAnswers(forwardWindow + 2); err != nil { // one is being sent, and one awaited
		return err
	}
	window, room := make(chan passing, forwardWindow), semaphore.NewWeighted(forwardBytes)
	go func() {
		defer close(window)
		stop(r.send(ctx, messages, window, room))
	}()
	err = r.settle(patience, window, room)
	stop(err)
	r.stored = r.outOfOrder(patience, window)
	return context.Cause(ctx)
}

// send publishes one message of the journal after the other to the remote, without waiting for acknowledgements.
func (r *run) send(ctx context.Context, messages *puller, window chan<- passing, room *semaphore.Weighted) error {
	for {
		msg, err := messages.next(ctx, nil)
		if err != nil {
			return fmt.Errorf("read the journal: %w", err)
		}
		stored, err := messages.received(msg)
		if err != nil {
			return fmt.Errorf("read the journal: %w", err)
		}
		p := passing{ack: msg.Reply, sequence: stored.Sequence, bytes: min(int64(len(msg.Data)), forwardBytes)}
		p.stream, p.id, err = onward(r.Journal.Stream, msg)
		p.msg = msg
		if err := room.Acquire(ctx, p.bytes); err != nil {
			return err
		}
		switch p.stored = p.sequence <= r.done.Load() || r.known[p.sequence]; {
		case err != nil:
			p.err = permanentError{err}
		case !p.stored:
			p.span = beginForward(ctx, p.msg, p.stream, p.id)
			p.err = r.publish(p)
		}
		p.at = time.Now()
		select {
		case window <- p:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// publish sends a message to the remote.
func (r *run) publish(p passing) error {
	stream, known := r.streams[p.stream]
	if stream.Unusable != nil {
		return streamError{stream.Unusable}
	}
	if known && !slices.ContainsFunc(stream.Subjects, func(filter string) bool { return covers(filter, p.msg.Subject) }) {
		return permanentError{fmt.Errorf("stream %s has no subject %s (any more): has BRIDGE_SUBJECT_PREFIX changed?", stream.Name, p.msg.Subject)}
	}
	if stream.MaxBytes > 0 && int64(p.msg.Size()+storedOverhead) > stream.MaxBytes {
		return permanentError{fmt.Errorf("it is larger than stream %s can hold", stream.Name)}
	}
	p.msg.Reply = replyTo(r.answers.inbox, p.sequence)
	return r.remote.nats.PublishMsg(p.msg)
}

// settle removes what the remote has acknowledged from the journal, in order. It returns when the window is closed or, with an error,
// when a message was not acknowledged.
func (r *run) settle(ctx context.Context, window <-chan passing, room *semaphore.Weighted) error {
	leaving := leaving{Journal: r.Journal, log: r.Log}
	defer leaving.all()
	ticker := time.NewTicker(time.Second)
	defer ticker.Stop()
	for {
		select {
		case p, ok := <-window:
			if !ok {
				return nil
			}
			if err := r.settleOne(ctx, p); err != nil {
				return err
			}
			if r.settled == 0 {
				r.resumed()
			}
			r.settled, r.settledAt = p.sequence, time.Now()
			r.done.Store(max(r.done.Load(), p.sequence))
			room.Release(p.bytes)
			leaving.add(p, r.settledAt)
		case now := <-ticker.C:
			leaving.due(now, r.settledAt)
		}
	}
}

// settleOne returns nil when the remote has the message or it is set aside: permanently if the remote will never take it, else until
// its stream does.
func (r *run) settleOne(ctx context.Context, p passing) error {
	err := r.wait(ctx, p, r.settledAt)
	switch {
	case err == nil:
		return nil
	case tooLarge(err), errors.As(err, new(permanentError)):
		if err := r.Refused.keep(ctx, p, err, ""); err != nil {
			return err
		}
		r.Metrics.refused.Inc()
		r.Log.Warn("the remote NATS rejects an event permanently: it is set aside, see crm-bridge quarantine",
			"id", p.id, "stream", r.Refused.Stream, "reason", err.Error())
		return nil
	case r.waitsAside(p, err):
		if err := r.Refused.keep(ctx, p, err, p.stream); err != nil {
			return err
		}
		r.retryAside()
		r.Log.Warn("a quarantined callback is set aside until the remote's stream takes it; events do not wait for it",
			"id", p.id, "stream", p.stream, "reason", err.Error())
		return nil
	}
	return fmt.Errorf("forward %s: %w", p.id, err)
}

// wait returns nil when the remote has acknowledged the message. The one before it was settled at the given time.
func (r *run) wait(ctx context.Context, p passing, before time.Time) (err error) {
	defer func() { end(p.span, err) }()
	switch {
	case p.stored:
		return nil
	case p.err != nil:
		return p.err
	}
	since := p.at
	if before.After(since) {
		since = before
	}
	answer, err := r.answers.of(ctx, p.sequence, since.Add(forwardTimeout))
	if err != nil {
		return err
	}
	_, err = acknowledgement(answer, p.stream)
	return err
}

// outOfOrder returns which messages after a failed one the remote has stored, so that they are not sent twice. It returns when the
// window is closed.
func (r *run) outOfOrder(ctx context.Context, window <-chan passing) map[uint64]bool {
	stored := map[uint64]bool{}
	for sequence := range r.known {
		if sequence > r.settled {
			stored[sequence] = true
		}
	}
	for p := range window {
		if p.err == nil && r.wait(ctx, p, time.Time{}) == nil {
			stored[p.sequence] = true
		}
	}
	return stored
}
