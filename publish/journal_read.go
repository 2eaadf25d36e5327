package publish

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

const (
	// pullBatch is how many of the journal's messages are requested at once; pullExpires is when a request ends without them.
	pullBatch   = 512
	pullExpires = 30 * time.Second
)

// read begins to read the journal from its first message, each once and without gaps.
func (j *Journal) read(ctx context.Context) (*puller, error) {
	err := j.renewConsumer(ctx)
	if err != nil {
		return nil, fmt.Errorf("read the journal: %w", err)
	}
	p, err := j.Conn.puller(j.Stream, forwarding, pullBatch, pullExpires)
	if err != nil {
		return nil, fmt.Errorf("read the journal: %w", err)
	}
	p.waits = true
	return p, nil
}

// renewConsumer recreates the journal's only consumer, so that it begins with the first message: the journal holds just what the remote
// has not acknowledged. Messages leave the journal in the order of their acknowledgements. In any other order the server would rewrite
// finished blocks, which no Committer syncs.
func (j *Journal) renewConsumer(ctx context.Context) error {
	err := j.Conn.js.DeleteConsumer(ctx, j.Stream, forwarding)
	if err != nil && !errors.Is(err, jetstream.ErrConsumerNotFound) {
		return err
	}
	_, err = j.Conn.js.CreateConsumer(ctx, j.Stream, jetstream.ConsumerConfig{
		Durable: forwarding, AckPolicy: jetstream.AckExplicitPolicy, AckWait: noRedelivery, MaxAckPending: -1, MemoryStorage: true,
	})
	return err
}

// noRedelivery is longer than any process runs.
const noRedelivery = 10 * 365 * 24 * time.Hour

// forwarding is the journal's only consumer.
const forwarding = "forwarder"

// The answer to a message that takes it out of the journal.
var taken = []byte("+ACK")
