package publish

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Quarantine keeps callbacks that were proven but not understood, in a stream of their own.
type Quarantine struct {
	Conn   *Conn
	Stream string
	Prefix string // first token of the events' subjects
	// Commit brings what is kept to the disk; nil where the acknowledgement itself means that.
	Commit    func(ctx context.Context) error
	CommitAll func(ctx context.Context) error // the same after a deletion
}

// idHeader is where the id of a kept callback stands, so that one is found without reading its body.
const idHeader = "crm-quarantine-id"

// Keep stores body, a callback without its secrets, under id. It does not return nil until the copy would survive a
// power cut.
func (q *Quarantine) Keep(ctx context.Context, source, id string, body []byte) error {
	msg := &nats.Msg{
		Subject: q.Prefix + "-quarantine." + source, Data: body,
		Header: nats.Header{contentType: {"application/json"}, idHeader: {id}, nats.MsgIdHdr: {id}, nats.ExpectedStreamHdr: {q.Stream}},
	}
	if _, err := q.Conn.js.PublishMsg(ctx, msg, jetstream.WithRetryAttempts(0)); err != nil {
		return fmt.Errorf("keep callback %s: %w", id, err)
	}
	if q.Commit != nil {
		return q.Commit(ctx)
	}
	return nil
}

// Kept is a callback in quarantine.
type Kept struct {
	ID       string
	Sequence uint64
	Body     []byte // as Keep got it
}

// Each calls f for every callback that is in quarantine now, oldest first, until f returns an error, which it returns.
func (q *Quarantine) Each(ctx context.Context, f func(Kept) error) error {
	stream, err := q.Conn.js.Stream(ctx, q.Stream)
	if err != nil {
		return fmt.Errorf("stream %s: %w", q.Stream, err)
	}
	last := stream.CachedInfo().State.LastSeq
	for next := stream.CachedInfo().State.FirstSeq; next <= last; next++ {
		// The subject makes the server skip what was dropped in between.
		msg, err := stream.GetMsg(ctx, next, jetstream.WithGetMsgSubject(q.Prefix+"-quarantine.>"))
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("read stream %s: %w", q.Stream, err)
		}
		if next = msg.Sequence; next > last {
			return nil
		}
		if err := f(Kept{ID: msg.Header.Get(idHeader), Sequence: msg.Sequence, Body: msg.Data}); err != nil {
			return err
		}
	}
	return nil
}

// Holds tells whether a callback is still in quarantine.
func (q *Quarantine) Holds(ctx context.Context, kept Kept) (bool, error) {
	stream, err := q.Conn.js.Stream(ctx, q.Stream)
	if err == nil {
		_, err = stream.GetMsg(ctx, kept.Sequence)
	}
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return false, nil
	}
	return err == nil, err
}

// Drop removes a callback for good.
func (q *Quarantine) Drop(ctx context.Context, kept Kept) error {
	stream, err := q.Conn.js.Stream(ctx, q.Stream)
	if err == nil {
		err = stream.DeleteMsg(ctx, kept.Sequence)
	}
	if err != nil && !errors.Is(err, jetstream.ErrMsgNotFound) {
		return fmt.Errorf("drop callback %s: %w", kept.ID, err)
	}
	if q.CommitAll != nil {
		return q.CommitAll(ctx)
	}
	return nil
}
