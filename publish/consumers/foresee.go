package consumers

import (
	"context"
	"fmt"

	"github.com/crm-bridge/crm-bridge/publish"
)

// Effect is what a reset would do.
type Effect struct {
	Sequence uint64 // from which on the consumer would be sent messages
	Again    uint64 // messages that it was sent before and would be sent again
	Skipped  uint64 // messages that it was not sent yet and would not be sent
}

// Foresee returns what Reset would do to a consumer now. It changes nothing.
func Foresee(ctx context.Context, conn *publish.Conn, stream, name string, to Target) (e Effect, err error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	info, err := look(ctx, conn, stream, name)
	if err != nil {
		return e, explain(conn, err, "look up consumer "+name+" of stream "+stream, "CONSUMER.INFO."+stream+"."+name)
	}
	if e.Sequence, err = to.sequence(ctx, conn, info); err != nil {
		return e, err
	}
	one := consumerOf(info)
	at := one.Delivered.Sequence
	if e.Again, err = one.count(ctx, conn, e.Sequence, at); err == nil && e.Sequence > at+1 {
		e.Skipped, err = one.count(ctx, conn, at+1, e.Sequence-1)
	}
	if err != nil {
		err = fmt.Errorf("consumer %s of stream %s: %w", name, stream, err)
	}
	return e, err
}

// count returns how many messages between two sequences the consumer reads.
func (c Consumer) count(ctx context.Context, conn *publish.Conn, from, to uint64) (uint64, error) {
	if from > to {
		return 0, nil
	}
	span, err := conn.OpenSpan(ctx, c.Stream, c.Subjects, publish.Bounds{From: from, To: to})
	if err != nil {
		return 0, err
	}
	return span.Count(ctx, from)
}
