package consumers

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/crm-bridge/crm-bridge/publish"
)

// ErrOwn says that a consumer belongs to the bridge, which alone may change it.
var ErrOwn = fmt.Errorf("it belongs to the bridge: consumers whose names begin with %s cannot be changed", publish.OwnConsumers)

// ErrNotFound says that a stream has no consumer of a name.
var ErrNotFound = errors.New("there is no such consumer")

// Pause has the server send a consumer nothing until a time. Its configuration otherwise stays.
func Pause(ctx context.Context, conn *publish.Conn, stream, name string, until time.Time) (Consumer, error) {
	return change(ctx, conn, stream, name, "PAUSE", "2.11", func(ctx context.Context, _ *jetstream.ConsumerInfo) error {
		_, err := conn.JetStream().PauseConsumer(ctx, stream, name, until)
		return err
	})
}

// Resume ends the pause of a consumer.
func Resume(ctx context.Context, conn *publish.Conn, stream, name string) (Consumer, error) {
	return change(ctx, conn, stream, name, "PAUSE", "2.11", func(ctx context.Context, _ *jetstream.ConsumerInfo) error {
		_, err := conn.JetStream().ResumeConsumer(ctx, stream, name)
		return err
	})
}

// Target is where a consumer is reset to. One field is set.
type Target struct {
	First    bool      // the first message that the stream holds and the consumer may read
	Sequence uint64    // a sequence of the stream
	Time     time.Time // the first message stored then or later
}

// Reset has a consumer read again from a place in its stream, or skip what is before it: the next message that it is sent is the first one
// from there on. What it has not acknowledged is forgotten. Its configuration stays.
func Reset(ctx context.Context, conn *publish.Conn, stream, name string, to Target) (Consumer, error) {
	return change(ctx, conn, stream, name, "RESET", "2.14", func(ctx context.Context, before *jetstream.ConsumerInfo) error {
		sequence, err := to.sequence(ctx, conn, before)
		if err != nil {
			return err
		}
		_, err = conn.JetStream().ResetConsumerToSequence(ctx, stream, name, sequence)
		return err
	})
}

// sequence returns the sequence of the stream that a target is.
func (t Target) sequence(ctx context.Context, conn *publish.Conn, of *jetstream.ConsumerInfo) (uint64, error) {
	if t.Sequence > 0 {
		return t.Sequence, nil
	}
	bounds := publish.Bounds{Since: t.Time}
	if t.First { // a consumer cannot be reset to before its own start
		bounds.From = of.Config.OptStartSeq
		if of.Config.OptStartTime != nil {
			bounds.Since = *of.Config.OptStartTime
		}
	}
	span, err := conn.OpenSpan(ctx, of.Stream, nil, bounds)
	if err != nil {
		return 0, err
	}
	return span.First, nil
}

// change changes a consumer that does not belong to the bridge, by a request of the server's API that it has since a version, and returns
// the consumer as it is then.
func change(ctx context.Context, conn *publish.Conn, stream, name, word, since string, do func(context.Context, *jetstream.ConsumerInfo) error) (Consumer, error) {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	doing := fmt.Sprintf("consumer %s of stream %s", name, stream)
	if strings.HasPrefix(name, publish.OwnConsumers) {
		return Consumer{}, fmt.Errorf("%s: %w", doing, ErrOwn)
	}
	info, err := look(ctx, conn, stream, name)
	if err == nil {
		err = do(ctx, info)
	} else {
		word = "INFO"
	}
	switch {
	case errors.Is(err, ErrNotFound):
		return Consumer{}, fmt.Errorf("%s: %w", doing, err)
	case errors.Is(err, jetstream.ErrConsumerInvalidReset):
		return Consumer{}, fmt.Errorf("%s: NATS does not reset it to there: only a consumer with the deliver policy all, by_start_sequence or by_start_time can be reset, and not to before its configured start", doing)
	case errors.Is(err, nats.ErrNoResponders) && info != nil: // it is there: the server does not have this request
		return Consumer{}, fmt.Errorf("%s: NATS server %s cannot do this: %s or later can", doing, conn.NATS().ConnectedServerVersion(), since)
	case err != nil:
		return Consumer{}, explain(conn, err, doing, "CONSUMER."+word+"."+stream+"."+name)
	}
	if info, err = look(ctx, conn, stream, name); err != nil {
		return Consumer{}, explain(conn, err, doing, "CONSUMER.INFO."+stream+"."+name)
	}
	return consumerOf(info), nil
}

// look returns what the server says of a consumer.
func look(ctx context.Context, conn *publish.Conn, stream, name string) (*jetstream.ConsumerInfo, error) {
	pull, err := conn.JetStream().Consumer(ctx, stream, name)
	if err == nil {
		return pull.CachedInfo(), nil
	}
	if errors.Is(err, jetstream.ErrNotPullConsumer) {
		push, err := conn.JetStream().PushConsumer(ctx, stream, name)
		if err != nil {
			return nil, err
		}
		return push.CachedInfo(), nil
	}
	for _, none := range []error{jetstream.ErrConsumerNotFound, jetstream.ErrStreamNotFound, jetstream.ErrInvalidConsumerName, jetstream.ErrInvalidStreamName} {
		if errors.Is(err, none) {
			return nil, ErrNotFound
		}
	}
	return nil, err
}
