package publish

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// puller pulls messages from a consumer: of the journal, of a Span and of a Follower. nats.go's own reading drops a message for the
// status that ends a request with a bound of bytes ("409 Batch Completed"), and its redelivery would come out of order.
//
// At most two requests are open, so that the next messages are in flight while the last ones are used. Each bounds bytes, so that
// large messages do not exceed what the server lets wait for a connection.
type puller struct {
	conn     *nats.Conn
	sub      *nats.Subscription
	subject  string // of requests for more
	inbox    string // each request has a subject below it, for its status
	messages chan *nats.Msg
	open     []pullRequest
	batch    int // messages that a request asks for
	expires  time.Duration
	waits    bool // for messages, for as long as it takes; else next returns errStale
	large    bool // the next message is larger than pullBytes
	requests int
	got      uint64 // messages that have come
	remove   func() // removes the consumer; nil: it stays
}

// pullRequest is a request: how many messages may still come for it, when it was sent, and how many had come by then.
type pullRequest struct {
	number, left int
	at           time.Time
	got          uint64
}

const (
	// pullBytes bounds a request, in bytes: more than a thousand usual events. A larger message is requested alone.
	pullBytes = 4 << 20
	// statuses is room for the status that ends each request, even one that was served in full.
	statuses = 16
)

// errStale says that a consumer delivers nothing more, and that another one may.
var errStale = errors.New("no more messages")

// pull begins to read a stream from a sequence on, with a consumer that acknowledges nothing and that the server removes after
// config.InactiveThreshold. pending is how many messages there are now.
func (c *Conn) pull(ctx context.Context, stream string, from uint64, config jetstream.ConsumerConfig, batch int, expires time.Duration) (p *puller, pending uint64, err error) {
	config.DeliverPolicy, config.OptStartSeq = jetstream.DeliverByStartSequencePolicy, from
	info, err := c.consumer(ctx, stream, config)
	if err != nil {
		return nil, 0, err
	}
	if p, err = c.puller(stream, info.Name, batch, expires); err != nil {
		return nil, 0, err
	}
	p.remove = func() { // otherwise the server removes it later
		gone, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		if c.nats.IsConnected() {
			_ = c.js.DeleteConsumer(gone, stream, info.Name)
		}
	}
	return p, info.NumPending, nil
}

func nextRequest(stream, consumer string) string {
	return "$JS.API.CONSUMER.MSG.NEXT." + stream + "." + consumer
}

// puller begins to read a consumer.
func (c *Conn) puller(stream, consumer string, batch int, expires time.Duration) (*puller, error) {
	p := &puller{
		conn: c.nats, subject: nextRequest(stream, consumer), inbox: c.nats.NewInbox(), messages: make(chan *nats.Msg, 2*batch+statuses),
		batch: batch, expires: expires,
	}
	var err error
	p.sub, err = p.conn.ChanSubscribe(p.inbox+".*", p.messages)
	return p, err
}

func (p *puller) close() {
	_ = p.sub.Unsubscribe()
	if p.remove != nil {
		p.remove()
	}
}

// next returns the next message.
func (p *puller) next(ctx context.Context, idle func()) (*nats.Msg, error) {
	for {
		if err := p.askForMore(); err != nil {
			return nil, err
		}
		msg, err := p.receive(ctx, idle)
		if err != nil {
			return nil, err
		}
		if msg.Reply == "" { // a message of the stream names its position
			if err := p.handleStatus(msg.Subject, msg.Header.Get("Status"), msg.Header.Get("Description")); err != nil {
				return nil, err
			}
			continue
		}
		p.got++
		if len(p.open) > 0 {
			if p.open[0].left--; p.open[0].left == 0 {
				p.open = p.open[1:]
			}
		}
		return msg, nil
	}
}

// askForMore requests the next messages before the last ones are used up.
func (p *puller) askForMore() error {
	switch {
	case p.large && len(p.open) > 0:
		return nil // the large message is requested alone
	case p.large:
		p.large = false
		return p.ask(1, MaxPayload+1<<20)
	case len(p.open) == 0 || len(p.open) == 1 && p.open[0].left <= p.batch/2:
		return p.ask(p.batch, pullBytes)
	}
	return nil
}

// handleStatus handles what the server reports about a request.
func (p *puller) handleStatus(subject, status, description string) error {
	number, _ := strconv.Atoi(subject[strings.LastIndexByte(subject, '.')+1:])
	var of pullRequest
	for i, request := range p.open {
		if request.number == number {
			of = request
			p.open = append(p.open[:i:i], p.open[i+1:]...)
			break
		}
	}
	switch description = strings.ToLower(description); {
	case status == "409" && strings.Contains(description, "message size exceeds"):
		p.large = true
		return nil
	case status == "409" && strings.Contains(description, "batch completed"):
		return nil
	case status == "503": // the consumer was removed: it was not used for too long
		return errStale
	case status == "408" || status == "404":
		// The gate of an embedded server ends large requests early.
		if !p.waits && len(p.open) == 0 && of.number > 0 && of.got == p.got && time.Since(of.at) >= p.expires/2 {
			return errStale // what was expected has left the stream
		}
		return nil
	}
	return fmt.Errorf("the server says %s %s", status, description)
}

// ask requests messages, up to a number of bytes.
func (p *puller) ask(batch, bytes int) error {
	request, err := json.Marshal(map[string]any{"batch": batch, "max_bytes": bytes, "expires": p.expires.Nanoseconds()})
	if err != nil {
		return err
	}
	p.requests++
	if err := p.conn.PublishRequest(p.subject, p.inbox+"."+strconv.Itoa(p.requests), request); err != nil {
		return err
	}
	p.open = append(p.open, pullRequest{p.requests, batch, time.Now(), p.got})
	return nil
}

func (p *puller) receive(ctx context.Context, idle func()) (*nats.Msg, error) {
	select {
	case msg := <-p.messages:
		return msg, nil
	default:
	}
	if idle != nil {
		idle()
	}
	late := time.NewTimer(p.expires + 2*time.Second)
	defer late.Stop()
	select {
	case msg := <-p.messages:
		return msg, nil
	case <-late.C:
		return nil, errors.New("the server does not answer")
	case <-ctx.Done():
		return nil, context.Cause(ctx)
	}
}

// received returns a message of the consumer with its position in the stream, or an error if one that was sent before it is missing.
func (p *puller) received(msg *nats.Msg) (Stored, error) {
	meta, err := msg.Metadata()
	if err != nil {
		return Stored{}, err
	}
	if meta.Sequence.Consumer != p.got {
		return Stored{}, fmt.Errorf("the %dth message came as the %dth", meta.Sequence.Consumer, p.got)
	}
	return Stored{
		Subject: msg.Subject, Sequence: meta.Sequence.Stream, At: meta.Timestamp, Pending: meta.NumPending, Header: msg.Header, Data: msg.Data,
	}, nil
}
