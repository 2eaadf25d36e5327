package publish

import (
	"context"
	"fmt"

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

// StoredSince returns which of the ids are those of messages that the stream holds behind a sequence.
func (p *Publisher) StoredSince(ctx context.Context, after uint64, ids []string) (map[string]bool, error) {
	wanted, stored := make(map[string]bool, len(ids)), map[string]bool{}
	for _, id := range ids {
		wanted[id] = true
	}
	consumer, err := p.Conn.js.OrderedConsumer(ctx, p.Stream, jetstream.OrderedConsumerConfig{
		DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: after + 1, HeadersOnly: true,
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
		msg, err := messages.Next(jetstream.NextContext(ctx))
		if err != nil {
			return nil, fmt.Errorf("read stream %s: %w", p.Stream, err)
		}
		if id := msg.Headers().Get(nats.MsgIdHdr); wanted[id] {
			stored[id] = true
		}
	}
	return stored, nil
}
