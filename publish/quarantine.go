package publish

import (
	"context"
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Quarantine keeps callbacks that were proven but not understood, in a stream of their own.
type Quarantine struct {
	Conn   *Conn
	Stream string
	Prefix string // first token of the events' subjects
}

// Keep stores body, a callback without its secrets, under id. It does not return nil until the copy would survive a
// power cut.
func (q *Quarantine) Keep(ctx context.Context, source, id string, body []byte) error {
	msg := &nats.Msg{
		Subject: q.Prefix + "-quarantine." + source, Data: body,
		Header: nats.Header{contentType: {"application/json"}, nats.MsgIdHdr: {id}, nats.ExpectedStreamHdr: {q.Stream}},
	}
	if _, err := q.Conn.js.PublishMsg(ctx, msg, jetstream.WithRetryAttempts(0)); err != nil {
		return fmt.Errorf("keep callback %s: %w", id, err)
	}
	return nil
}
