package publish

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// OwnConsumers is the prefix of the names of the bridge's own consumers on an embedded server, which readers cannot touch.
const OwnConsumers = "crm-bridge-"

// consumerName returns a fresh name for a consumer on the connection. On the bridge's own connections readers cannot use it; on any
// other the client library chooses, because readers may not use the bridge's names.
func (c *Conn) consumerName() string {
	if c.nats.Opts.User == Owner {
		return OwnConsumers + strings.ToLower(rand.Text())
	}
	return ""
}

// consumer makes a consumer that acknowledges nothing and is kept in memory.
func (c *Conn) consumer(ctx context.Context, stream string, config jetstream.ConsumerConfig) (*jetstream.ConsumerInfo, error) {
	config.AckPolicy, config.MemoryStorage, config.Replicas, config.Name = jetstream.AckNonePolicy, true, 1, c.consumerName()
	consumer, err := c.js.CreateConsumer(ctx, stream, config)
	if err != nil {
		return nil, err
	}
	return consumer.CachedInfo(), nil
}

// sequenceAt returns the sequence of the first message that a stream took at a time or later, or of the next that it will
// take. A consumer with several filters must not begin at a time: the server (2.15.2) takes it to the first message of a
// subject that the stream had not held before that time, past those of the others.
func (c *Conn) sequenceAt(ctx context.Context, stream string, at time.Time) (uint64, error) {
	consumer, err := c.look(ctx, stream, jetstream.ConsumerConfig{DeliverPolicy: jetstream.DeliverByStartTimePolicy, OptStartTime: &at})
	if err != nil {
		return 0, err
	}
	return consumer.Delivered.Stream + 1, nil
}

// look makes a consumer for a look at where it stands.
func (c *Conn) look(ctx context.Context, stream string, config jetstream.ConsumerConfig) (*jetstream.ConsumerInfo, error) {
	config.InactiveThreshold = time.Minute
	info, err := c.consumer(ctx, stream, config)
	if err != nil {
		return nil, err
	}
	if err := c.js.DeleteConsumer(ctx, stream, info.Name); err != nil && !errors.Is(err, jetstream.ErrConsumerNotFound) {
		return nil, err
	}
	return info, nil
}

// settles is how long an acknowledgement may take.
const settles = 10 * time.Second

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
