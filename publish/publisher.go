package publish

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Event is a CloudEvent to publish.
type Event struct {
	event.Event
	Repeatable bool // its id comes again when its callback does
}

// Ack tells where an event is safe.
type Ack struct {
	Subject   string
	Stream    string
	Sequence  uint64
	Duplicate bool // the stream already held an event of this id, at Sequence
}

// ErrTooLarge is returned for an event that the stream will never take.
var ErrTooLarge = errors.New("larger than the stream takes")

// maxPending bounds the events that wait for their acknowledgement; one more waits a moment, then fails.
const maxPending = 16384

// ackTimeout is when an event that is not acknowledged is forgotten; its callback was answered long before.
const ackTimeout = time.Minute

// Publisher publishes events to a stream, over a connection that it does not own. Set the fields once.
type Publisher struct {
	Conn    *Conn
	Stream  string
	Prefix  string // first token of subjects
	Mode    Mode
	AllIDs  bool // send every id as Nats-Msg-Id, not only repeatable ones
	Metrics *Metrics
}

// Publish returns when the stream has acknowledged every event, in order, or with the first error. After an error some
// of the events may be stored, and those on their way may still be; nothing is sent after it returned.
func (p *Publisher) Publish(ctx context.Context, events ...Event) ([]Ack, error) {
	if !p.Conn.nats.IsConnected() {
		return nil, errors.New("not connected to NATS")
	}
	futures := make([]jetstream.PubAckFuture, len(events))
	for i, e := range events {
		subject := p.Subject(e.Event)
		msg, err := Message(subject, e.Event, p.Mode)
		if err != nil {
			return nil, err
		}
		if e.Repeatable || p.AllIDs {
			msg.Header[nats.MsgIdHdr] = []string{e.ID()}
		}
		if futures[i], err = p.Conn.js.PublishMsgAsync(msg, jetstream.WithRetryAttempts(0), jetstream.WithStallWait(time.Second)); err != nil {
			return nil, p.failed(subject, err)
		}
	}
	acks := make([]Ack, len(events))
	for i, future := range futures {
		subject := future.Msg().Subject
		select {
		case ack := <-future.Ok():
			acks[i] = Ack{Subject: subject, Stream: ack.Stream, Sequence: ack.Sequence, Duplicate: ack.Duplicate}
			if !ack.Duplicate {
				p.Metrics.published(subject)
			}
		case err := <-future.Err():
			return nil, p.failed(subject, err)
		case <-ctx.Done():
			return nil, p.failed(subject, ctx.Err())
		}
	}
	return acks, nil
}

// Subject returns the subject of an event: its type under the configured prefix.
func (p *Publisher) Subject(e event.Event) string {
	_, rest, _ := strings.Cut(e.Type(), ".")
	return p.Prefix + "." + rest
}

func (p *Publisher) failed(subject string, err error) error {
	if errors.Is(err, nats.ErrMaxPayload) {
		return fmt.Errorf("publish %s: %w", subject, ErrTooLarge)
	}
	return fmt.Errorf("publish %s: %w", subject, err)
}

// Ready returns nil when an event could be stored now, as far as a question to the server can tell.
func (p *Publisher) Ready(ctx context.Context) error {
	if !p.Conn.nats.IsConnected() {
		return errors.New("not connected to NATS")
	}
	if _, err := p.Conn.js.Stream(ctx, p.Stream); err != nil {
		return fmt.Errorf("stream %s: %w", p.Stream, err)
	}
	return nil
}

// Drain returns when every published event is acknowledged or ctx has ended.
func (p *Publisher) Drain(ctx context.Context) error {
	select {
	case <-p.Conn.js.PublishAsyncComplete():
		return nil
	case <-ctx.Done():
		return fmt.Errorf("%d events were not acknowledged in time", p.Conn.js.PublishAsyncPending())
	}
}
