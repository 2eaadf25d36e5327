package transfer

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/crm-bridge/crm-bridge/publish"
)

// job is the copy of one stream.
type job struct {
	*Copy
	Stream
	from, to *jetstream.StreamInfo
	next     uint64          // sequence of the source to go on with
	last     uint64          // sequence of the last message of the target, whoever has written it
	seen     uint64          // sequence of the target up to which its messages were looked at, where sequences are not kept
	plain    map[uint64]bool // sequences that are sent without an id by which the target would ignore them
	fillers  int             // fillers that the target may hold: messages instead of missing ones
	part     Part
}

// open looks at both streams. The job is nil if the source has no such stream. A stream that the target lacks has no info in it.
func (c *Copy) open(ctx context.Context, s Stream) (*job, error) {
	j := &job{Copy: c, Stream: s, plain: map[uint64]bool{}}
	j.Keep = s.Keep && !c.Append
	var err error
	if j.from, err = info(ctx, c.From, s.Config.Name); err != nil || j.from == nil {
		return nil, err
	}
	if made, known := c.Note.Sources[s.Config.Name]; known && !made.Equal(j.from.Created) {
		return nil, fmt.Errorf("stream %s of the target was copied from another source: that one was created on %s, this one on %s; copy from the same source, or to an empty target",
			s.Config.Name, made.Format(stamp), j.from.Created.Format(stamp))
	}
	state := j.from.State
	j.part = Part{Stream: s.Config.Name, Messages: state.Msgs, Bytes: state.Bytes, First: state.FirstSeq, Last: state.LastSeq}
	if j.to, err = info(ctx, c.To, s.Config.Name); err != nil {
		return nil, err
	}
	if err := other(j.from, j.to); err != nil {
		return nil, err
	}
	if err := j.fits(); err != nil {
		return nil, err
	}
	return j, j.locate(ctx)
}

// other returns an error if the target's stream is that of the source.
func other(from, to *jetstream.StreamInfo) error {
	if to != nil && to.Created.Equal(from.Created) {
		return fmt.Errorf("stream %s of the target is that of the source: choose another target", from.Config.Name)
	}
	return nil
}

// stamp is the layout of times in errors.
const stamp = "2006-01-02 15:04:05 MST"

// info returns a stream as it is now; nil: there is none.
func info(ctx context.Context, conn *publish.Conn, stream string) (*jetstream.StreamInfo, error) {
	found, err := conn.JetStream().Stream(ctx, stream)
	if errors.Is(err, jetstream.ErrStreamNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("look up stream %s: %w", stream, err)
	}
	return found.CachedInfo(), nil
}

// copyOverhead is how many bytes a copy takes more than its original, at most: headers. A filler takes less.
const copyOverhead = 320

// fillersNeeded returns how many fillers the target holds at most.
func (j *job) fillersNeeded() uint64 {
	if state := j.from.State; j.Keep && state.LastSeq > state.Msgs {
		return min(state.LastSeq-state.Msgs, fillersAtOnce)
	}
	return 0
}

// fits returns an error if the target's stream cannot hold what the source's does.
func (j *job) fits() error {
	have, config := j.from.State, jetstream.StreamConfig{Name: j.Config.Name, MaxBytes: j.Config.MaxBytes, MaxMsgsPerSubject: j.Config.PerSubject}
	if j.to != nil {
		config = j.to.Config
	}
	if needed := int64(have.Bytes + have.Msgs*copyOverhead + j.fillersNeeded()*copyOverhead); config.MaxBytes > 0 && needed > config.MaxBytes {
		return publish.MisfitError(fmt.Sprintf("stream %s of the source takes up to %s, and that of the target keeps at most %s: set %s to more",
			config.Name, publish.RoundBytes(needed), publish.RoundBytes(config.MaxBytes), j.Config.BytesVariable))
	}
	most, was := config.MaxMsgsPerSubject, j.from.Config.MaxMsgsPerSubject
	if most > 0 && (was <= 0 || was > most) {
		return publish.MisfitError(fmt.Sprintf("stream %s of the source keeps more messages of a subject than that of the target, which keeps %d: raise that limit (%s)",
			config.Name, most, j.Config.PerSubjectVariable))
	}
	return nil
}

// locate finds where the copy goes on, as the target has it.
func (j *job) locate(ctx context.Context) error {
	first, last := j.from.State.FirstSeq, j.from.State.LastSeq
	j.next = max(j.next, first)
	if j.to == nil {
		j.part.Left = j.from.State.Msgs
		return nil
	}
	j.last = j.to.State.LastSeq
	if last == 0 {
		return nil // there is nothing to copy, whatever the target has
	}
	find := j.numbered
	if j.Keep {
		find = j.kept
	}
	if err := find(ctx); err != nil {
		return err
	}
	if j.next = max(j.next, first); j.next > last || j.part.Ahead || j.part.Own {
		j.part.Left = 0
		return nil
	}
	span, err := j.From.OpenSpan(ctx, j.Config.Name, nil, publish.Bounds{From: j.next})
	if err == nil {
		j.part.Left, err = span.Count(ctx, j.next)
	}
	return err
}

// kept finds the position where sequences are kept: behind the last message of the target, if that is a copy.
func (j *job) kept(ctx context.Context) error {
	to := j.to.State
	if _, known := j.Note.Sources[j.Config.Name]; !known && (to.Msgs > 0 || to.LastSeq >= j.from.State.FirstSeq && j.from.State.LastSeq > 0) {
		return j.others("")
	}
	j.next = to.LastSeq + 1
	if to.LastSeq > j.from.State.LastSeq {
		if !j.complete() {
			return j.others(fmt.Sprintf(" since #%d", j.from.State.LastSeq+1))
		}
		j.part.Ahead = true
		return nil
	}
	if to.Msgs == 0 {
		return nil
	}
	there, err := j.To.Get(ctx, j.Config.Name, to.LastSeq)
	if errors.Is(err, publish.ErrNoMessage) || err == nil && there.Subject == j.Gap {
		return nil // it has left both
	}
	if err != nil {
		return err
	}
	here, err := j.From.Get(ctx, j.Config.Name, to.LastSeq)
	if err != nil && !errors.Is(err, publish.ErrNoMessage) {
		return err
	}
	if _, copied := there.CopiedFrom(); !copied || err == nil && sum(here) != sum(there) {
		return j.others(fmt.Sprintf(" at #%d", to.LastSeq))
	}
	return nil
}

// numbered finds the position where the target numbers the messages: behind the last copy among those of others.
func (j *job) numbered(ctx context.Context) error {
	span, err := j.To.OpenSpan(ctx, j.Config.Name, nil, publish.Bounds{From: j.seen + 1})
	if err != nil {
		return err
	}
	span.HeadersOnly, span.Patience = true, j.Patience
	j.next = max(j.next, j.Note.Ended[j.Config.Name]+1) // what was released or erased since is not copied again
	foreign := uint64(0)
	err = span.Each(ctx, func(m publish.Stored) error {
		if from, copied := m.CopiedFrom(); copied {
			j.next = max(j.next, from+1)
		} else if m.Subject != j.Gap && foreign == 0 {
			foreign = m.Sequence
		}
		return nil
	})
	switch {
	case err != nil:
		return err
	case foreign > 0 && j.Append && j.Config.PerSubject > 0: // an older state must not follow a newer one
		j.part.Own = true
	case foreign > 0 && !j.Append && j.complete():
		j.part.Ahead = true
	case foreign > 0 && !j.Append:
		return j.others(fmt.Sprintf(", the first #%d", foreign))
	}
	j.seen = span.Last
	return nil
}

// complete reports whether a copy has taken all that the source holds.
func (j *job) complete() bool {
	upto, ended := j.Note.Ended[j.Config.Name]
	return ended && j.from.State.LastSeq <= upto
}

// others is the error for a stream of the target that others have written to.
func (j *job) others(where string) error {
	return fmt.Errorf("stream %s of the target cannot take the copy: %w%s", j.Config.Name, ErrOthers, where)
}
