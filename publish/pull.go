package publish

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// reader reads a journal from its first message, each message once and none left out. nats.go's own reading of a consumer
// has no room for the word with which the server ends a request that bounds bytes ("409 Batch Completed"): it drops a
// message in its place, and leaves that to a redelivery, which would come out of order.
type reader struct {
	conn     *nats.Conn
	subject  string // of requests for more
	inbox    string // below it each request has a subject of its own, for what the server says of it
	messages chan *nats.Msg
	sub      *nats.Subscription
	requests int
	asked    int    // messages that may still come for the last request
	got      uint64 // messages that have come
}

const (
	// pullBatch is how many messages a request asks for; pullExpires is when it ends without them.
	pullBatch   = 256
	pullExpires = 30 * time.Second
	// statuses is room for what the server says of a request besides its messages. It ends each with a word, also one that
	// was served in full.
	statuses = 16
)

// read begins to read the journal.
func (j *Journal) read(ctx context.Context) (*reader, error) {
	if err := j.renewConsumer(ctx); err != nil {
		return nil, fmt.Errorf("read the journal: %w", err)
	}
	r := &reader{
		conn: j.Conn.nats, inbox: j.Conn.nats.NewInbox(), subject: fmt.Sprintf("$JS.API.CONSUMER.MSG.NEXT.%s.%s", j.Stream, forwarding),
		messages: make(chan *nats.Msg, pullBatch+statuses),
	}
	var err error
	if r.sub, err = r.conn.ChanSubscribe(r.inbox+".*", r.messages); err != nil {
		return nil, fmt.Errorf("read the journal: %w", err)
	}
	return r, nil
}

// renewConsumer makes the journal's only consumer anew, so that it begins with the first message, whatever an earlier one
// was given: the journal holds just what the remote has not acknowledged. Messages leave the journal in the order in which
// they are acknowledged: only so does the server not rewrite finished blocks, which no Committer would sync.
func (j *Journal) renewConsumer(ctx context.Context) error {
	err := j.Conn.js.DeleteConsumer(ctx, j.Stream, forwarding)
	if err != nil && !errors.Is(err, jetstream.ErrConsumerNotFound) {
		return err
	}
	_, err = j.Conn.js.CreateConsumer(ctx, j.Stream, jetstream.ConsumerConfig{
		Durable: forwarding, AckPolicy: jetstream.AckExplicitPolicy, AckWait: never, MaxAckPending: -1, MemoryStorage: true,
	})
	return err
}

// forwarding is the journal's only consumer.
const forwarding = "forwarder"

// next returns the next message and its sequence, however long it takes to come.
func (r *reader) next(ctx context.Context) (*nats.Msg, uint64, error) {
	for {
		if r.asked == 0 {
			if err := r.ask(); err != nil {
				return nil, 0, err
			}
		}
		msg, err := r.receive(ctx)
		if err != nil {
			return nil, 0, err
		}
		switch status := msg.Header.Get("Status"); {
		case status == "":
			r.asked--
			return r.inOrder(msg)
		case status != "404" && status != "408" && status != "409":
			return nil, 0, fmt.Errorf("read the journal: %s %s", status, msg.Header.Get("Description"))
		case msg.Subject == r.reply():
			r.asked = 0 // nothing came for so long, or as many bytes as were asked for
		}
	}
}

// reply is the subject of the last request.
func (r *reader) reply() string { return r.inbox + "." + strconv.Itoa(r.requests) }

func (r *reader) receive(ctx context.Context) (*nats.Msg, error) {
	select {
	case msg := <-r.messages:
		return msg, nil
	default:
	}
	late := time.NewTimer(pullExpires + 5*time.Second)
	defer late.Stop()
	select {
	case msg := <-r.messages:
		return msg, nil
	case <-late.C:
		return nil, errors.New("read the journal: the server does not answer")
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// inOrder returns the message with its sequence in the journal, or an error where one that was sent before it has not come.
func (r *reader) inOrder(msg *nats.Msg) (*nats.Msg, uint64, error) {
	meta, err := msg.Metadata()
	if err != nil {
		return nil, 0, fmt.Errorf("read the journal: %w", err)
	}
	if r.got++; meta.Sequence.Consumer != r.got {
		return nil, 0, fmt.Errorf("read the journal: the %dth message came as the %dth", meta.Sequence.Consumer, r.got)
	}
	return msg, meta.Sequence.Stream, nil
}

// ask asks for more messages, of at most so many bytes that any one fits.
func (r *reader) ask() error {
	request, err := json.Marshal(map[string]any{"batch": pullBatch, "max_bytes": MaxPayload + 1<<20, "expires": pullExpires.Nanoseconds()})
	if err != nil {
		return err
	}
	r.requests++
	if err := r.conn.PublishRequest(r.subject, r.reply(), request); err != nil {
		return fmt.Errorf("read the journal: %w", err)
	}
	r.asked = pullBatch
	return nil
}

// close ends the reading.
func (r *reader) close() { _ = r.sub.Unsubscribe() }

// The answer to a message that takes it out of the journal.
var taken = []byte("+ACK")
