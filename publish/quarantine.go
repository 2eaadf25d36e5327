package publish

import (
	"context"
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Quarantine keeps authenticated callbacks that could not be parsed, in a stream of their own.
type Quarantine struct {
	Shelf          // what is in quarantine now
	Conn    *Conn  // takes what is kept
	Journal string // the local stream that takes it, until a Forwarder brings it to the shelf's; empty: none
	Prefix  string // first token of the events' subjects
	// Upkeep makes sure of the stream where it is on a remote NATS. Keep then tries again until ctx ends; nil: it tries once.
	Upkeep *Upkeep
	// Commit brings what is kept to the disk; nil where the acknowledgement itself means that.
	Commit func(ctx context.Context) error
}

// Keep stores body, a callback without its secrets, under id. It does not return nil until the copy would survive a
// power cut.
func (q *Quarantine) Keep(ctx context.Context, source, id string, body []byte) error {
	msg := &nats.Msg{
		Subject: q.Prefix + "-quarantine." + source, Data: body,
		Header: nats.Header{contentType: {"application/json"}, idHeader: {id}},
	}
	if q.Journal == "" { // the event of a redriven callback has its id, and the journal would take that for a repeat
		msg.Header[nats.MsgIdHdr] = []string{id}
	}
	address(msg, q.Stream, q.Journal, id)
	err := q.Upkeep.persist(ctx, func() error {
		if err := q.Conn.Up(); err != nil {
			return err
		}
		_, err := q.Conn.js.PublishMsg(ctx, msg, jetstream.WithRetryAttempts(0))
		return err
	})
	if err != nil {
		return fmt.Errorf("keep callback %s: %w", id, err)
	}
	if q.Commit != nil {
		return q.Commit(ctx)
	}
	return nil
}
