package publish

import (
	"context"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/crm-bridge/crm-bridge/schemas/cloudevent"
)

// Expecting is an event that is stored only if the last message of its subject is still the one that it was made from.
type Expecting struct {
	Subject string
	Last    uint64 // sequence of that message; 0: the stream has none of the subject
	Event   *cloudevent.Event
}

// The errors of another last sequence: the second is without the number in its text.
const (
	errWrongLast         jetstream.ErrorCode = 10071
	errWrongLastConstant jetstream.ErrorCode = 10164
)

// PublishExpecting publishes events, and returns the error of each: ErrConflict, ErrTooLarge, or any other, after which another attempt
// may succeed. They carry no id that the stream would compare.
func (c *Conn) PublishExpecting(ctx context.Context, events []Expecting, mode Mode) []error {
	errs, sent := make([]error, len(events)), make([]jetstream.PubAckFuture, len(events))
	for i, e := range events {
		sent[i], errs[i] = c.js.PublishMsgAsync(Message(e.Subject, e.Event, mode), jetstream.WithExpectLastSequencePerSubject(e.Last))
	}
	for i, future := range sent {
		if errs[i] == nil {
			errs[i] = answered(ctx, future)
		}
		switch is := code(errs[i]); {
		case is == errWrongLast || is == errWrongLastConstant:
			errs[i] = ErrConflict
		case tooLarge(errs[i]):
			errs[i] = fmt.Errorf("%w: %w", ErrTooLarge, errs[i])
		}
	}
	return errs
}

func answered(ctx context.Context, future jetstream.PubAckFuture) error {
	select {
	case <-future.Ok():
		return nil
	case err := <-future.Err():
		return err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
