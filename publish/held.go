package publish

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// Held is which repeatable ids a stream held when it was asked. Eight bytes of a digest are kept of each: that
// any of four million new ids is taken for another of as many has a chance of one in a million.
type Held struct{ digests []uint64 } // sorted

// MaxHeld is how many ids a Held takes: 32 MiB.
const MaxHeld = 4 << 20

// ErrTooManyHeld says that the stream holds more than MaxHeld ids of a subject since a moment.
var ErrTooManyHeld = errors.New("the stream holds too many events to compare with")

// Has reports whether the stream held an id.
func (h *Held) Has(id string) bool {
	_, has := slices.BinarySearch(h.digests, digestOf(id))
	return has
}

func digestOf(id string) uint64 {
	sum := sha256.Sum256([]byte(id))
	return binary.BigEndian.Uint64(sum[:8])
}

// randomID is how long an id is that no event repeats.
const randomID = len("0198c1f0-0000-7000-8000-000000000000")

// Held returns the ids of the events on a subject, which may have wildcards, that the stream has taken since a moment. It reads
// headers alone. The error is ErrTooManyHeld where there are more than limit.
func (p *Publisher) Held(ctx context.Context, subject string, since time.Time, limit int) (*Held, error) {
	first, err := p.Conn.sequenceAt(ctx, p.Stream, since)
	if err != nil {
		return nil, err
	}
	held := &Held{}
	err = p.eachHeader(ctx, first, subject, func(header nats.Header) error {
		id := header.Get(nats.MsgIdHdr)
		if id == "" || len(id) == randomID {
			return nil
		}
		if len(held.digests) >= limit {
			return fmt.Errorf("%w: more than %d on %s", ErrTooManyHeld, limit, subject)
		}
		held.digests = append(held.digests, digestOf(id))
		return nil
	})
	slices.Sort(held.digests)
	return held, err
}

// eachHeader calls f with the headers of what the stream holds on a subject from a sequence on.
func (p *Publisher) eachHeader(ctx context.Context, first uint64, subject string, f func(nats.Header) error) error {
	consumer, err := p.Conn.js.OrderedConsumer(ctx, p.Stream, jetstream.OrderedConsumerConfig{
		NamePrefix: p.Conn.consumerName(), DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: max(first, 1), HeadersOnly: true, FilterSubjects: []string{subject},
	})
	if err != nil {
		return fmt.Errorf("read stream %s: %w", p.Stream, err)
	}
	info, err := consumer.Info(ctx)
	if err != nil {
		return fmt.Errorf("read stream %s: %w", p.Stream, err)
	}
	if info.NumPending == 0 {
		return nil
	}
	messages, err := consumer.Messages()
	if err != nil {
		return fmt.Errorf("read stream %s: %w", p.Stream, err)
	}
	defer messages.Stop()
	for range info.NumPending {
		msg, err := messages.Next(jetstream.NextMaxWait(readWait))
		if errors.Is(err, nats.ErrTimeout) {
			return nil // some of it has gone at the stream's limit meanwhile
		}
		if err != nil {
			return fmt.Errorf("read stream %s: %w", p.Stream, err)
		}
		if err := errors.Join(f(msg.Headers()), ctx.Err()); err != nil {
			return err
		}
	}
	return nil
}
