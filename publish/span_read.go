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

// reading is how far the reading of a span has come.
type reading struct {
	next   uint64 // sequence
	done   bool   // there is nothing more
	copies bool   // the stream has several, and a consumer may read one that is behind the others
	each   func(Stored) error
	failed error // what each returned
}

// puller asks a consumer for messages. It has at most two requests open, so that the next messages are on their way while
// the last ones are used, and each request bounds bytes, so that large messages do not fill the memory.
type puller struct {
	conn     *nats.Conn
	subject  string // of requests for more
	inbox    string // below it each request has a subject of its own, for what the server says of it
	messages chan *nats.Msg
	open     []asked // in the order in which the server serves them
	requests int
	bytes    int    // that a request asks for
	got      uint64 // messages that have come
}

// asked is a request, and how many messages may still come for it.
type asked struct{ number, left int }

const (
	spanBatch = 1024
	// spanBytes is more than a thousand usual events; one that is larger is asked for alone.
	spanBytes   = 4 << 20
	spanExpires = 2 * time.Second
	// consumerRests is how long the server keeps a consumer that nobody asks.
	consumerRests = 5 * time.Minute
)

// errStale says that a consumer yields nothing more, and that another one may.
var errStale = errors.New("no more messages")

// read reads from a place on, until there is nothing more, something fails or the consumer falls silent.
func (s *Span) read(ctx context.Context, at *reading) error {
	stream, err := s.Conn.js.Stream(ctx, s.Stream)
	if err != nil {
		return fmt.Errorf("stream %s: %w", s.Stream, err)
	}
	if made := stream.CachedInfo().Created; !made.Equal(s.Made) {
		return misfit("stream %s is not the one that it was: it was made anew on %s", s.Stream, made.Format(time.RFC3339))
	}
	consumer, err := s.Conn.js.CreateConsumer(ctx, s.Stream, jetstream.ConsumerConfig{
		FilterSubjects: s.Subjects, DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: at.next, HeadersOnly: s.HeadersOnly,
		AckPolicy: jetstream.AckNonePolicy, MemoryStorage: true, Replicas: 1, InactiveThreshold: consumerRests,
	})
	if err != nil {
		return fmt.Errorf("read stream %s: %w", s.Stream, err)
	}
	name := consumer.CachedInfo().Name
	defer func() { // not needed for long by anybody
		ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
		defer cancel()
		if s.Conn.nats.IsConnected() {
			_ = s.Conn.js.DeleteConsumer(ctx, s.Stream, name)
		}
	}()
	at.copies = stream.CachedInfo().Config.Replicas > 1
	if consumer.CachedInfo().NumPending == 0 {
		if err := s.end(ctx, at); err != nil {
			return fmt.Errorf("read stream %s: %w", s.Stream, err)
		}
		return nil
	}
	p := &puller{
		conn: s.Conn.nats, inbox: s.Conn.nats.NewInbox(), bytes: spanBytes, messages: make(chan *nats.Msg, 2*spanBatch+statuses),
		subject: fmt.Sprintf("$JS.API.CONSUMER.MSG.NEXT.%s.%s", s.Stream, name),
	}
	sub, err := p.conn.ChanSubscribe(p.inbox+".*", p.messages)
	if err != nil {
		return fmt.Errorf("read stream %s: %w", s.Stream, err)
	}
	defer func() { _ = sub.Unsubscribe() }()
	if err = s.pull(ctx, p, at); err != nil && !errors.Is(err, errStale) {
		return fmt.Errorf("read stream %s: %w", s.Stream, err)
	}
	return nil
}

// pull gives messages to at.each until it has seen the last of the span.
func (s *Span) pull(ctx context.Context, p *puller, at *reading) error {
	for {
		msg, err := p.next(ctx, s.Idle)
		if err != nil {
			return err
		}
		m, number, err := received(msg)
		if err != nil {
			return err
		}
		if p.got++; number != p.got {
			return fmt.Errorf("the %dth message came as the %dth", number, p.got)
		}
		if m.Sequence > s.Last {
			at.done = true
			return nil
		}
		if err := at.each(m); err != nil {
			at.failed = err
			return err
		}
		if at.next = m.Sequence + 1; m.Sequence == s.Last {
			at.done = true
			return nil
		}
		if m.Pending == 0 {
			return s.end(ctx, at)
		}
	}
}

// errBehind says that the copy of the stream that was read lacks what others have.
var errBehind = errors.New("the server's copy is behind")

// end notes that there is nothing more, where a consumer has said so. Of several copies only the leader's is complete: what
// was acknowledged may reach the others a moment later, and one that comes back long after.
func (s *Span) end(ctx context.Context, at *reading) error {
	filters := s.Subjects
	if len(filters) == 0 {
		filters = []string{">"}
	}
	for _, filter := range filters {
		if !at.copies {
			break
		}
		next, err := s.Conn.next(ctx, s.Stream, filter, at.next)
		if err != nil {
			return fmt.Errorf("whether there is more: %w", err)
		}
		if 0 < next && next <= s.Last {
			return errBehind
		}
	}
	at.done = true
	return nil
}

// next returns the sequence of the first message on a subject, from a sequence on, that the stream's leader has; 0: none.
func (c *Conn) next(ctx context.Context, stream, filter string, from uint64) (uint64, error) {
	request, err := json.Marshal(map[string]any{"seq": from, "next_by_subj": filter})
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeout(ctx, settles)
	defer cancel()
	answer, err := c.nats.RequestWithContext(ctx, "$JS.API.STREAM.MSG.GET."+stream, request) // not a direct one, which any copy answers
	if err != nil {
		return 0, err
	}
	var of struct {
		Message struct{ Seq uint64 }
		Error   *jetstream.APIError
	}
	if err := json.Unmarshal(answer.Data, &of); err != nil {
		return 0, err
	}
	if of.Error != nil && of.Error.ErrorCode != jetstream.JSErrCodeMessageNotFound {
		return 0, of.Error
	}
	return of.Message.Seq, nil
}

// next returns the next message.
func (p *puller) next(ctx context.Context, idle func()) (*nats.Msg, error) {
	for {
		if len(p.open) == 0 || len(p.open) == 1 && p.open[0].left <= spanBatch/2 {
			if err := p.ask(); err != nil {
				return nil, err
			}
		}
		msg, err := p.receive(ctx, idle)
		if err != nil {
			return nil, err
		}
		if msg.Reply == "" { // a message of the stream tells where it stands
			if err := p.hear(msg.Subject, msg.Header.Get("Status"), msg.Header.Get("Description")); err != nil {
				return nil, err
			}
			continue
		}
		if len(p.open) > 0 {
			if p.open[0].left--; p.open[0].left == 0 {
				p.open = p.open[1:]
			}
		}
		return msg, nil
	}
}

// hear is what the server says of a request.
func (p *puller) hear(subject, status, description string) error {
	number, _ := strconv.Atoi(subject[strings.LastIndexByte(subject, '.')+1:])
	for i, request := range p.open {
		if request.number == number {
			p.open = append(p.open[:i:i], p.open[i+1:]...)
			break
		}
	}
	switch {
	case status == "409" && strings.Contains(strings.ToLower(description), "message size exceeds"):
		p.bytes = MaxPayload + 1<<20
		return nil
	case status == "409" && strings.Contains(strings.ToLower(description), "batch completed"):
		return nil
	case status == "503": // the consumer is gone, for nobody has asked for long
		return errStale
	case status == "408" || status == "404":
		if len(p.open) == 0 {
			return errStale // what was to come has left the stream
		}
		return nil
	}
	return fmt.Errorf("the server says %s %s", status, description)
}

// ask asks for more messages.
func (p *puller) ask() error {
	request, err := json.Marshal(map[string]any{"batch": spanBatch, "max_bytes": p.bytes, "expires": spanExpires.Nanoseconds()})
	if err != nil {
		return err
	}
	p.requests++
	if err := p.conn.PublishRequest(p.subject, p.inbox+"."+strconv.Itoa(p.requests), request); err != nil {
		return err
	}
	p.open = append(p.open, asked{p.requests, spanBatch})
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
	late := time.NewTimer(spanExpires + 2*time.Second)
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

// received reads where a message of a consumer stands in the stream, and its number among the consumer's.
func received(msg *nats.Msg) (Stored, uint64, error) {
	meta, err := msg.Metadata()
	if err != nil {
		return Stored{}, 0, err
	}
	return Stored{
		Subject: msg.Subject, Sequence: meta.Sequence.Stream, At: meta.Timestamp, Pending: meta.NumPending, Header: msg.Header, Data: msg.Data,
	}, meta.Sequence.Consumer, nil
}
