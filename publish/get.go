package publish

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"
)

// ErrNoMessage says that a stream does not hold a message: it never did, or it has expired, or was erased.
var ErrNoMessage = errors.New("the stream does not hold that message")

// Get returns the message of a stream that has a sequence. The error is ErrNoMessage if there is none.
func (c *Conn) Get(ctx context.Context, stream string, sequence uint64) (Stored, error) {
	have, err := c.stream(ctx, stream)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return Stored{}, missing(stream)
	}
	if err != nil {
		return Stored{}, err
	}
	msg, err := have.GetMsg(ctx, sequence)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return Stored{}, fmt.Errorf("stream %s, sequence %d: %w", stream, sequence, ErrNoMessage)
	}
	if err != nil {
		return Stored{}, fmt.Errorf("stream %s, sequence %d: %w", stream, sequence, err)
	}
	return Stored{Subject: msg.Subject, Sequence: msg.Sequence, At: msg.Time, Header: msg.Header, Data: msg.Data}, nil
}
