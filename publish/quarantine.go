package publish

import (
	"context"
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/crm-bridge/crm-bridge/schemas/cloudevent"
)

// Quarantine keeps authenticated callbacks that could not be parsed, in a stream of their own.
type Quarantine struct {
	Shelf          // of what is in quarantine now
	Conn    *Conn  // to which callbacks are published
	Journal string // the local stream that stores them until a Forwarder sends them to the shelf's; empty: none
	Prefix  string // first token of the events' subjects
	// Upkeep ensures the stream if it is on a remote NATS. Keep then retries until ctx ends; nil: it tries once.
	Upkeep *Upkeep
	Commit Commit // of what is kept
}

// Keep stores body, a callback without its secrets, under id. It returns nil only when the copy would survive a power cut.
func (q *Quarantine) Keep(ctx context.Context, source, id string, body []byte) error {
	msg := &message{Msg: nats.Msg{Subject: q.Prefix + "-quarantine." + source, Data: body}}
	msg.set(cloudevent.ContentType, cloudevent.DataMediaType)
	msg.set(idHeader, id)
	if q.Journal == "" { // the event of a redriven callback has the same id, which the journal would take for a repeat
		msg.set(nats.MsgIdHdr, id)
	}
	address(msg, q.Stream, q.Journal, id)
	err := q.Upkeep.persist(ctx, func() error {
		if err := q.Conn.Up(); err != nil {
			return err
		}
		_, err := q.Conn.js.PublishMsg(ctx, &msg.Msg, jetstream.WithRetryAttempts(0))
		return err
	})
	if err != nil {
		return fmt.Errorf("keep callback %s: %w", id, err)
	}
	return q.Commit.after(ctx, nil)
}
