package publish

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/nats-io/nats.go"
)

// IDSet holds the repeatable ids that a stream held, eight bytes of a digest of each: with four million of them the chance that any of
// four million others is mistaken for one is one in a million.
type IDSet struct{ digests []uint64 } // sorted

// MaxHeld is how many ids fit 32 MiB.
const MaxHeld = 4 << 20

// ErrTooManyHeld says that a stream holds more ids of a subject than Held may return.
var ErrTooManyHeld = errors.New("the stream holds too many events to compare with")

// Has reports whether the stream held an id.
func (h *IDSet) Has(id string) bool {
	_, has := slices.BinarySearch(h.digests, digestOf(id))
	return has
}

func digestOf(id string) uint64 {
	sum := sha256.Sum256([]byte(id))
	return binary.BigEndian.Uint64(sum[:8])
}

// randomID is how long an id is that no event repeats.
const randomID = len("0198c1f0-0000-7000-8000-000000000000")

// Held returns the ids of the events on a subject, which may have wildcards, that the stream holds within bounds. It reads headers
// only. The error is ErrTooManyHeld if there are more than limit; 0: no limit.
func (p *Publisher) Held(ctx context.Context, subject string, bounds Bounds, limit int) (*IDSet, error) {
	held := &IDSet{}
	span, err := p.Conn.OpenSpan(ctx, p.Stream, []string{subject}, bounds)
	if err != nil {
		return held, err
	}
	span.HeadersOnly, span.Patience = true, settles
	err = span.Each(ctx, func(m Stored) error {
		id := cmp.Or(nats.Header(m.Header).Get(nats.MsgIdHdr), nats.Header(m.Header).Get(ownID))
		if id == "" || len(id) == randomID {
			return nil
		}
		if limit > 0 && len(held.digests) >= limit {
			return fmt.Errorf("%w: more than %d on %s", ErrTooManyHeld, limit, subject)
		}
		held.digests = append(held.digests, digestOf(id))
		return nil
	})
	slices.Sort(held.digests)
	return held, err
}
