package publish

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// The headers that a message has only in the journal.
const (
	forStream = "crm-bridge-stream" // the remote stream that it is for
	ownID     = "crm-bridge-id"     // its Nats-Msg-Id there
)

// address addresses a message to a stream: directly, or by a journal, from which a Forwarder sends it there. In the journal its
// subject has the journal's name as a prefix, so that the journal holds none of the stream's subjects.
func address(msg *message, stream, journal, id string) {
	if journal == "" {
		msg.set(nats.ExpectedStreamHdr, stream)
		return
	}
	msg.Subject = journal + "." + msg.Subject
	msg.set(nats.ExpectedStreamHdr, journal)
	msg.set(forStream, stream)
	msg.set(ownID, id)
}

// onward makes a journal's message the one that is sent to the remote stream, with its id as Nats-Msg-Id: sent twice within the duplicates
// window it is stored once.
func onward(journal string, msg *nats.Msg) (stream, id string, err error) {
	stream, id = msg.Header.Get(forStream), msg.Header.Get(ownID)
	subject, ok := strings.CutPrefix(msg.Subject, journal+".")
	if stream == "" || id == "" || !ok {
		return stream, id, errors.New("it is not a message of the journal")
	}
	msg.Subject = subject
	msg.Header[nats.ExpectedStreamHdr], msg.Header[nats.MsgIdHdr] = msg.Header[forStream], msg.Header[ownID]
	delete(msg.Header, forStream)
	delete(msg.Header, ownID)
	return stream, id, nil
}

// Journal is a local stream of messages for a remote one. Each stays until the remote has acknowledged it.
type Journal struct {
	Conn   *Conn
	Stream string
	Commit Commit // of what is put at its end
	// Blocks returns the sequences of the first messages of the stream's files up to a sequence, in order: settled messages leave by
	// whole files then. nil: they leave one by one.
	Blocks func(upto uint64) ([]uint64, error)
	// MaxSettled bounds the settled messages that wait for their file to be full, in bytes.
	MaxSettled int64
}

// state returns what the journal holds, settled messages among it.
func (j *Journal) state(ctx context.Context) (state jetstream.StreamState, err error) {
	stream, err := j.Conn.stream(ctx, j.Stream)
	if err != nil {
		return state, err
	}
	return stream.CachedInfo().State, nil
}

// put stores a message that was in the journal before, at its end.
func (j *Journal) put(ctx context.Context, subject string, header nats.Header, data []byte) (Ack, error) {
	msg := &nats.Msg{Subject: j.Stream + "." + subject, Header: header, Data: data}
	msg.Header[nats.ExpectedStreamHdr] = []string{j.Stream}
	ack, err := j.Conn.js.PublishMsg(ctx, msg, jetstream.WithRetryAttempts(0))
	if err = j.Commit.after(ctx, err); err != nil {
		return Ack{}, fmt.Errorf("publish %s: %w", subject, err)
	}
	return Ack{Subject: subject, Stream: j.Stream, Sequence: ack.Sequence, Duplicate: ack.Duplicate}, nil
}

// after returns when the first message after a sequence was stored; zero if there is none.
func (j *Journal) after(ctx context.Context, sequence uint64) (time.Time, error) {
	stream, err := j.Conn.stream(ctx, j.Stream)
	if err != nil {
		return time.Time{}, err
	}
	msg, err := stream.GetMsg(ctx, sequence+1, jetstream.WithGetMsgSubject(">"))
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return time.Time{}, nil
	}
	if err != nil {
		return time.Time{}, fmt.Errorf("read the journal: %w", err)
	}
	return msg.Time, nil
}
