package transfer

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// Look returns how far the copy of each stream is that the source has, and changes nothing. The error says why the streams of the target,
// as they are, cannot take the copy.
func (c *Copy) Look(ctx context.Context, streams []Stream) (parts []Part, err error) {
	for _, s := range streams {
		if err := c.To.CheckStream(ctx, s.Config); err != nil {
			return parts, err
		}
		j, err := c.open(ctx, s)
		if err != nil {
			return parts, err
		}
		if j != nil {
			parts = append(parts, j.part)
		}
	}
	return parts, nil
}

// Compare compares what was copied of each stream, and changes nothing.
func (c *Copy) Compare(ctx context.Context, streams []Stream) (parts []Part, err error) {
	for _, s := range streams {
		j, err := c.open(ctx, s)
		if err == nil && j != nil {
			if _, err = j.verify(ctx, nil); err == nil && j.part.Left > 0 {
				err = fmt.Errorf("%d messages of stream %s are %w", j.part.Left, j.Config.Name, ErrUnfinished)
			}
			parts = append(parts, j.part)
		}
		if err != nil {
			return parts, err
		}
	}
	return parts, nil
}

// Run is a run of a copy.
type Run struct {
	*Copy
	// Ended reports whether the source takes nothing more, so that this run can complete the copy.
	Ended bool
	State State
	// Warn is called with what is to know of the target's streams.
	Warn func(text string)
	// Sync returns when all streams of the target, of which one is given, would survive a power cut; nil: its acknowledgements say so.
	Sync func(stream string) error
	// Copied is called when everything is on the target and others may write to it: what follows only compares.
	Copied func()
}

// Result is what a run has done.
type Result struct {
	Parts   []Part
	State   *StateResult // nil: it was not copied, because the source has not ended
	Readers []Reader
	Done    bool // everything is on the target
}

// passes bounds how often a run copies what came meanwhile, and fewPending is what a later run may copy.
const (
	passes     = 10
	fewPending = 256
)

// Do copies the streams, then the state if the source has ended, and compares both sides. It makes the target's streams where they are
// missing, and says what does not fit before it copies anything.
func (r *Run) Do(ctx context.Context, streams []Stream) (result Result, err error) {
	var jobs []*job
	defer func() {
		for _, j := range jobs {
			result.Parts = append(result.Parts, j.part)
		}
	}()
	err = r.retry(ctx, func() (err error) {
		if jobs, err = r.prepare(ctx, streams); err == nil {
			result.Readers, err = readersOf(ctx, r.From, jobs)
		}
		return err
	})
	if err != nil {
		return result, err
	}
	for _, j := range jobs {
		if err := j.catchUp(ctx, r.Ended); err != nil {
			return result, err
		}
	}
	// The bridge changes the states of records and takes callbacks out of quarantine, so these are compared before it may be started.
	if err := r.verify(ctx, jobs, result.Readers, false); err != nil {
		return result, err
	}
	if r.Ended {
		if err := r.retry(ctx, func() error { return r.finish(ctx, jobs, &result) }); err != nil {
			return result, err
		}
		result.Done = true
		r.Copied()
	}
	return result, r.verify(ctx, jobs, result.Readers, true)
}

// finish copies the state, and notes that everything is on the target.
func (r *Run) finish(ctx context.Context, jobs []*job, result *Result) error {
	state, err := r.state(ctx, r.State)
	if err != nil {
		return err
	}
	result.State = &state
	bucket := "KV_" + r.State.To.Name
	if r.Sync != nil {
		if err := r.Sync(bucket); err != nil {
			return fmt.Errorf("bring the copy to the disk: %w", err)
		}
	}
	ended := map[string]uint64{}
	for _, j := range jobs {
		ended[j.Config.Name] = j.from.State.LastSeq
	}
	if err := r.Note.change(ctx, func() { r.Note.Ended = ended }); err != nil || r.Sync == nil {
		return err
	}
	return r.Sync(bucket)
}

// prepare makes the target's streams, and finds the positions in them.
func (r *Run) prepare(ctx context.Context, streams []Stream) (jobs []*job, err error) {
	for _, s := range streams {
		from, err := info(ctx, r.From, s.Config.Name)
		if err != nil {
			return jobs, err
		}
		if from == nil {
			continue
		}
		if to, err := info(ctx, r.To, s.Config.Name); err != nil {
			return jobs, err
		} else if err := other(from, to); err != nil { // before it is changed
			return jobs, err
		}
		config := s.Config
		if s.Keep && !r.Append {
			config.FirstSequence = from.State.FirstSeq
		}
		made, warnings, err := r.To.EnsureStream(ctx, config)
		if err != nil {
			return jobs, err
		}
		for _, warning := range warnings {
			r.Warn(warning)
		}
		if err := r.expire(ctx, made.Name); err != nil {
			return jobs, err
		}
		j, err := r.open(ctx, s)
		if err != nil {
			return jobs, err
		}
		jobs = append(jobs, j)
	}
	return jobs, r.Note.change(ctx, func() {
		if r.Note.Sources == nil {
			r.Note.Sources = map[string]time.Time{}
		}
		for _, j := range jobs {
			r.Note.Sources[j.Config.Name] = j.from.Created
		}
	})
}

// expire has the target's stream accept how long each message has left. One that somebody else made, or of a server without that, counts
// the age of a message from when it was copied.
func (r *Run) expire(ctx context.Context, name string) error {
	if !r.Expire {
		return nil
	}
	standing, err := r.To.Standing(ctx, name)
	if err != nil || !standing.Own {
		return err
	}
	have, err := info(ctx, r.To, name)
	if err != nil || have.Config.MaxAge == 0 || have.Config.AllowMsgTTL {
		return err
	}
	config := have.Config
	config.AllowMsgTTL = true
	if _, err = r.To.JetStream().UpdateStream(ctx, config); err != nil {
		r.Warn(fmt.Sprintf("stream %s of the target counts the age of events from when they are copied: %s", name, err))
	}
	return nil
}

// catchUp copies the stream, and what came meanwhile: all of it if the source has ended, otherwise all but few messages.
func (j *job) catchUp(ctx context.Context, ended bool) error {
	few := uint64(fewPending)
	if ended {
		few = 0
	}
	for range passes {
		if err := j.retry(ctx, func() error { return j.tidy(ctx) }); err != nil { // of a run that was killed
			return err
		}
		if err := j.run(ctx); err != nil {
			return err
		}
		now := (*jetstream.StreamInfo)(nil)
		err := j.retry(ctx, func() (err error) {
			now, err = info(ctx, j.From, j.Config.Name)
			return err
		})
		if err != nil {
			return err
		}
		if now == nil || !now.Created.Equal(j.from.Created) {
			return fmt.Errorf("stream %s of the source was deleted", j.Config.Name)
		}
		if j.part.Left = now.State.LastSeq - j.from.State.LastSeq; j.part.Left <= few {
			break
		}
		j.from = now
	}
	if ended && j.part.Left > 0 {
		return fmt.Errorf("somebody still writes to stream %s of the source: stop it", j.Config.Name)
	}
	return j.retry(ctx, func() error { return errors.Join(j.tidy(ctx), j.refresh(ctx)) })
}

// refresh looks at the target again, to compare with it, and notes what of the source was copied.
func (j *job) refresh(ctx context.Context) error {
	to, err := info(ctx, j.To, j.Config.Name)
	if err == nil && to != nil {
		j.to = to
	}
	state := j.from.State
	j.part.Messages, j.part.Bytes, j.part.First, j.part.Last = state.Msgs, state.Bytes, state.FirstSeq, state.LastSeq
	return err
}

// verify compares the streams that keep their sequences, or the others, and notes where readers go on in them.
func (r *Run) verify(ctx context.Context, jobs []*job, readers []Reader, keep bool) error {
	var all []error
	for _, j := range jobs {
		if j.Keep != keep {
			continue
		}
		starts := map[uint64]uint64{}
		err := r.retry(ctx, func() error {
			starts = startsOf(readers, j.Config.Name)
			extra, err := j.verify(ctx, starts)
			if err != nil {
				return err
			}
			return j.remove(ctx, extra)
		})
		place(readers, j, starts)
		if err != nil && !errors.Is(err, ErrDiffers) {
			return err
		}
		all = append(all, err)
	}
	return errors.Join(all...)
}
