package transfer

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"iter"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/crm-bridge/crm-bridge/publish"
)

// ErrDiffers says that the two sides are not the same, and ErrUnfinished that a run has to copy the rest.
var (
	ErrDiffers    = errors.New("the target differs from the source")
	ErrUnfinished = errors.New("not copied yet")
)

// compared is a message on one side.
type compared struct {
	from uint64 // its sequence in the source
	here uint64 // and on this side
	at   time.Time
	sum  [sha256.Size]byte
}

// verify reads both sides and compares them message by message. It returns the sequences on the target of what has left the source since
// it was copied, and notes where the target has the messages of starts, sequences of the source; one that is gone has the next. Where the
// target goes on by itself, what is gone there is counted, and no difference.
func (j *job) verify(ctx context.Context, starts map[uint64]uint64) (extra []uint64, err error) {
	j.part.Equal, j.part.Expired, j.part.Gone, j.part.Extra = 0, 0, 0, 0
	if j.to == nil || j.part.Own || j.part.Ahead && !j.Keep {
		return nil, nil // states and callbacks change there now
	}
	source, stopSource := iter.Pull2(j.read(ctx, j.From, min(j.next-1, j.from.State.LastSeq), func(m publish.Stored) (uint64, bool) { return m.Sequence, j.covers(m.Subject) }))
	defer stopSource()
	target, stopTarget := iter.Pull2(j.read(ctx, j.To, j.last, func(m publish.Stored) (uint64, bool) {
		from, copied := m.CopiedFrom()
		return from, copied && m.Subject != j.Gap && from < j.next && from <= j.from.State.LastSeq
	}))
	defer stopTarget()
	digest := sha256.New()
	was, errSource, more := source()
	is, errTarget, further := target()
	for more || further {
		if err := errors.Join(errSource, errTarget); err != nil {
			return nil, err
		}
		behind, ahead := !further || more && was.from < is.from, !more || further && is.from < was.from
		if !ahead {
			note(starts, was.from, is.here, behind)
		}
		switch {
		case behind && j.part.Ahead:
			j.part.Gone++
		case behind && !j.expired(was.at):
			return nil, fmt.Errorf("%w: stream %s lacks message #%d of the source there", ErrDiffers, j.Config.Name, was.from)
		case behind:
			j.part.Expired++
		case ahead:
			if j.part.Extra++; len(extra) < mostExtra {
				extra = append(extra, is.here)
			}
		case was.sum != is.sum:
			return nil, fmt.Errorf("%w: message #%d of stream %s (#%d of the source) was changed there", ErrDiffers, is.here, j.Config.Name, was.from)
		default:
			j.part.Equal++
			digest.Write(binary.BigEndian.AppendUint64(nil, was.from))
			digest.Write(was.sum[:])
			j.show("compared", j.part.Equal, j.part.Messages)
		}
		if !ahead {
			was, errSource, more = source()
		}
		if !behind {
			is, errTarget, further = target()
		}
	}
	j.part.Digest = base64.RawURLEncoding.EncodeToString(digest.Sum(nil))
	return extra, nil
}

// mostExtra bounds the messages that one run removes from the target one by one.
const mostExtra = 1 << 20

// note notes that the first message from a start on is at here on the target; behind: the target lacks it.
func note(starts map[uint64]uint64, from, here uint64, behind bool) {
	for start, at := range starts {
		if at == 0 && start <= from && !behind {
			starts[start] = here
		}
	}
}

// expired reports whether a message is so old that the target may have removed it.
func (j *job) expired(stored time.Time) bool {
	age := j.to.Config.MaxAge
	return age > 0 && time.Since(stored) > age-time.Minute
}

// read reads one side up to a sequence; of returns which message of the source one is, and whether it is compared.
func (j *job) read(ctx context.Context, conn *publish.Conn, last uint64, of func(publish.Stored) (uint64, bool)) iter.Seq2[compared, error] {
	return func(yield func(compared, error) bool) {
		if last == 0 {
			return
		}
		span, err := conn.OpenSpan(ctx, j.Config.Name, nil, publish.Bounds{To: last})
		if err == nil {
			span.Patience, span.Failed = j.Patience, j.Retrying
			err = span.Each(ctx, func(m publish.Stored) error {
				if from, yes := of(m); yes && !yield(compared{from, m.Sequence, m.FirstStored(), sum(m)}, nil) {
					return errEnough
				}
				return nil
			})
		}
		if err != nil && !errors.Is(err, errEnough) {
			yield(compared{}, err)
		}
	}
}

// errEnough ends reading.
var errEnough = errors.New("enough")

// remove removes messages from the target, securely: they may have been erased in the source.
func (j *job) remove(ctx context.Context, extra []uint64) error {
	if j.part.Ahead {
		return nil // it has a history of its own now
	}
	for _, sequence := range extra {
		if err := j.To.Erase(ctx, j.Config.Name, sequence); err != nil {
			return fmt.Errorf("message #%d has left the source since it was copied, and cannot be removed from the target: %w", sequence, err)
		}
		j.part.Removed++
		j.part.Extra--
	}
	return nil
}

// tidy removes the messages that took the place of missing ones.
func (j *job) tidy(ctx context.Context) error {
	if !j.Keep || j.to == nil {
		return nil
	}
	stream, err := j.To.JetStream().Stream(ctx, j.Config.Name)
	if err == nil {
		err = stream.Purge(ctx, jetstream.WithPurgeSubject(j.Gap))
	}
	if err != nil {
		return fmt.Errorf("purge %s of stream %s: %w", j.Gap, j.Config.Name, err)
	}
	j.fillers = 0
	return nil
}
