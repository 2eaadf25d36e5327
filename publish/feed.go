package publish

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// Feed reads events of a stream with a durable consumer that several replicas share: each event goes to one of them, and comes again
// until it is done.
type Feed struct {
	conn     *Conn
	messages jetstream.MessagesContext
}

const (
	// feedAckWait is when an event comes again whose reader has died.
	feedAckWait = 30 * time.Second
	// feedMaxPending bounds the events that were delivered and are not done: those of an account whose API is away wait so. Each costs
	// the server about a hundred bytes.
	feedMaxPending = 100_000
	// feedBatch is how many events are in flight to a replica.
	feedBatch = 64
)

// OpenFeed opens the consumer of a name, and makes it where it is missing: then it begins with the oldest event of the stream if
// fromOldest is set, else with what comes from now on. Its subjects become those given.
func (c *Conn) OpenFeed(ctx context.Context, stream, name string, subjects []string, fromOldest bool) (*Feed, error) {
	begin := jetstream.DeliverNewPolicy
	if fromOldest {
		begin = jetstream.DeliverAllPolicy
	}
	asking, cancel := context.WithTimeout(ctx, settles)
	defer cancel()
	consumer, err := c.js.CreateOrUpdateConsumer(asking, stream, jetstream.ConsumerConfig{
		Durable: name, Description: "reads events for the bridge itself", AckPolicy: jetstream.AckExplicitPolicy, DeliverPolicy: begin,
		AckWait: feedAckWait, MaxAckPending: feedMaxPending, MaxDeliver: -1, FilterSubjects: apart(subjects),
	})
	if err != nil {
		return nil, fmt.Errorf("consumer %s of stream %s: %w", name, stream, err)
	}
	messages, err := consumer.Messages(jetstream.PullMaxMessages(feedBatch))
	if err != nil {
		return nil, fmt.Errorf("consumer %s of stream %s: %w", name, stream, err)
	}
	return &Feed{c, messages}, nil
}

// FeedSubjects returns the subjects that the consumer of a name reads; none if that consumer does not exist.
func (c *Conn) FeedSubjects(ctx context.Context, stream, name string) ([]string, error) {
	consumer, err := c.js.Consumer(ctx, stream, name)
	if errors.Is(err, jetstream.ErrConsumerNotFound) || errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("consumer %s of stream %s: %w", name, stream, err)
	}
	config := consumer.CachedInfo().Config
	if config.FilterSubject != "" {
		return []string{config.FilterSubject}, nil
	}
	return config.FilterSubjects, nil
}

// Delivered is an event that a Feed has read, until it is done.
type Delivered struct {
	Stored
	msg jetstream.Msg
}

// Done says that the event is not needed again. If that is lost, it comes again.
func (d *Delivered) Done() { _ = d.msg.Ack() }

// Working says that the event is worked on, so that it does not come again meanwhile. Say it more often than every 30 s.
func (d *Delivered) Working() { _ = d.msg.InProgress() }

// Later has the event come again after a pause, to this or another replica.
func (d *Delivered) Later(pause time.Duration) { _ = d.msg.NakWithDelay(pause) }

// Next returns the next event.
func (f *Feed) Next(ctx context.Context) (*Delivered, error) {
	msg, err := f.messages.Next(jetstream.NextContext(ctx))
	if err != nil {
		return nil, fmt.Errorf("read events: %w", err)
	}
	meta, err := msg.Metadata()
	if err != nil {
		return nil, err
	}
	return &Delivered{msg: msg, Stored: Stored{
		Subject: msg.Subject(), Sequence: meta.Sequence.Stream, At: meta.Timestamp, Pending: meta.NumPending, Header: msg.Headers(), Data: msg.Data(),
	}}, nil
}

// Close ends reading. What was delivered and not read comes again at once.
func (f *Feed) Close() {
	if f.conn.Up() != nil { // the client would wait for the server
		f.messages.Stop()
		return
	}
	f.messages.Drain()
	for {
		msg, err := f.messages.Next()
		if err != nil {
			return
		}
		_ = msg.Nak()
	}
}
