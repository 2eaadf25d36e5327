package publish

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// LastSequence returns the sequence of the stream's last message.
func (p *Publisher) LastSequence(ctx context.Context) (uint64, error) {
	stream, err := p.Conn.js.Stream(ctx, p.Stream)
	if err != nil {
		return 0, fmt.Errorf("stream %s: %w", p.Stream, err)
	}
	return stream.CachedInfo().State.LastSeq, nil
}

// StoredSince returns the ids of a provider's events that the stream holds behind a sequence.
func (p *Publisher) StoredSince(ctx context.Context, after uint64, provider string) (map[string]bool, error) {
	stored := map[string]bool{}
	consumer, err := p.Conn.js.OrderedConsumer(ctx, p.Stream, jetstream.OrderedConsumerConfig{
		NamePrefix: p.Conn.consumerName(), DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: after + 1, HeadersOnly: true,
		FilterSubjects: []string{p.Prefix + "." + provider + ".>"},
	})
	if err != nil {
		return nil, fmt.Errorf("read stream %s: %w", p.Stream, err)
	}
	info, err := consumer.Info(ctx)
	if err != nil {
		return nil, fmt.Errorf("read stream %s: %w", p.Stream, err)
	}
	if info.NumPending == 0 {
		return stored, nil
	}
	messages, err := consumer.Messages()
	if err != nil {
		return nil, fmt.Errorf("read stream %s: %w", p.Stream, err)
	}
	defer messages.Stop()
	for range info.NumPending {
		msg, err := messages.Next(jetstream.NextMaxWait(readWait))
		if errors.Is(err, nats.ErrTimeout) {
			break // some of it has gone at the stream's limit meanwhile
		}
		if err != nil {
			return nil, fmt.Errorf("read stream %s: %w", p.Stream, err)
		}
		stored[msg.Headers().Get(nats.MsgIdHdr)] = true
	}
	return stored, nil
}

// readWait is how long a message that should be there may take to come.
const readWait = 10 * time.Second
