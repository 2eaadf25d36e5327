// Package replay re-delivers stored events: to subjects of a job's own, to an HTTP endpoint, or as lines of JSON. A job
// records how far a replay has got, so that another run resumes it.
// Nothing here knows of commands, terminals or CRMs.
package replay

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest/retry"

	"github.com/crm-bridge/crm-bridge/publish"
)

// Run is one run of a job: it reads what the job has left, and delivers it to a target. Set the fields once.
type Run struct {
	Span     *publish.Span
	Selected Selection
	Target   Target
	Job      *Job
	Rate     float64       // events a second; 0: as fast as the target takes them
	Patience time.Duration // how long what fails is tried again

	Idle   func()                          // called before a wait; nil: nothing is
	Show   func(read uint64, part float64) // called after each message, with how much of the job is done; nil: nothing is
	Again  func(error)                     // called with what is tried again; nil: nothing is
	Warn   func(error)                     // called with what is left out; nil: nothing is
	pace   pace
	warned uint64    // warnings about messages that are not events
	saved  time.Time // when the job was last saved

	reading atomic.Pointer[context.CancelCauseFunc] // ends what the attempt that reads has read; nil: none does
}

// Replay delivers what the job has left, and returns when it is safe or the replay cannot go on. It saves the job also when
// it fails or ctx ends.
func (r *Run) Replay(ctx context.Context) error {
	ctx, end := context.WithCancelCause(ctx)
	name, own := r.Job.Name, r.Job.Run
	var watching sync.WaitGroup
	watching.Go(func() { r.Job.watch(ctx, name, own, end) })
	defer watching.Wait()
	defer end(nil)
	defer r.reading.Store(nil)
	err := r.attempts(ctx)
	if taken := context.Cause(ctx); err != nil && errors.Is(taken, ErrPermanent) {
		return taken
	}
	return err
}

func (r *Run) attempts(ctx context.Context) error {
	r.pace = newPace(r.Rate)
	good, at := time.Now(), r.Job.At
	for {
		err := r.attempt(ctx)
		if errors.Is(err, errReread) {
			continue
		}
		var lost LostError
		if !errors.As(err, &lost) || ctx.Err() != nil {
			return r.end(ctx, err)
		}
		if r.Job.At > at {
			good, at = time.Now(), r.Job.At
		}
		if time.Since(good) > r.Patience {
			return r.end(ctx, fmt.Errorf("tried for %s: %w", r.Patience, lost.error))
		}
		if r.Again != nil {
			r.Again(lost.error)
		}
		if err := retry.Sleep(ctx, 500*time.Millisecond); err != nil {
			return r.end(ctx, err)
		}
	}
}

// errReread ends an attempt of a run that reads again what it has not delivered.
var errReread = errors.New("the run reads again")

// attempt delivers what the job has left, until something is lost or somebody has it read again.
func (r *Run) attempt(ctx context.Context) error {
	reading, drop := context.WithCancelCause(ctx)
	defer drop(nil)
	if err := r.Target.Begin(reading, r.Job.At, r.Job.Beside); err != nil {
		return err
	}
	r.reading.Store(&drop) // from now on it may hold something
	span := *r.Span
	span.First, span.Last = max(r.Job.First, r.Job.At+1), r.Job.Last
	span.Patience, span.Failed, span.Idle = r.Patience, r.Again, r.Idle
	err := span.Each(reading, func(m publish.Stored) error { return r.one(ctx, reading, m) })
	if err == nil {
		err = r.flush(ctx)
	}
	if errors.Is(context.Cause(reading), errReread) {
		return r.dropped(ctx, err)
	}
	return err
}

// dropped returns what becomes of an attempt that ended with err because it was to drop what it had read: errReread, when nothing of that
// is on its way any more, unless the target has failed before.
func (r *Run) dropped(ctx context.Context, err error) error {
	if flushed := r.flush(ctx); flushed != nil && !errors.Is(flushed, errReread) {
		return flushed
	}
	if err == nil {
		return nil // all is done
	}
	return errReread
}

func (r *Run) flush(ctx context.Context) error {
	done, err := r.Target.Flush(ctx)
	r.note(done)
	return err
}

// end saves what was done, also when the replay was interrupted.
func (r *Run) end(ctx context.Context, err error) error {
	if err == nil {
		r.Job.Ended = time.Now().UTC()
		return r.saveEnded(ctx)
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTimeout)
	defer cancel()
	_ = r.flush(ctx) // the first reason is the one to report
	_ = r.save(ctx)
	return err
}

// endTimeout bounds a save at the end, also of a run that was interrupted.
const endTimeout = 5 * time.Second

// saveEnded saves a job that is done, and retries for as long as the run does: NATS may be down just then.
func (r *Run) saveEnded(ctx context.Context) error {
	for began := time.Now(); ; {
		once, cancel := context.WithTimeout(context.WithoutCancel(ctx), endTimeout)
		err := r.save(once)
		cancel()
		var lost LostError
		if !errors.As(err, &lost) || ctx.Err() != nil || time.Since(began) > r.Patience {
			return err
		}
		if r.Again != nil {
			r.Again(lost.error)
		}
		if retry.Sleep(ctx, 500*time.Millisecond) != nil {
			return err
		}
	}
}

// one replays one message, unless reading ends before its turn. The job is saved right before an event is delivered: a run that takes the
// job over counts on it.
func (r *Run) one(ctx, reading context.Context, m publish.Stored) error {
	if !r.Selected.Matches(m) {
		return r.skip(ctx, m, Tally{Read: 1})
	}
	if err := r.pace.wait(reading, r.Idle); err != nil {
		return err
	}
	if err := r.saveIfDue(ctx); err != nil {
		return err
	}
	done, err := r.Target.Deliver(ctx, m)
	r.note(done)
	var not NotEventError
	if errors.As(err, &not) {
		return r.skipNotEvent(ctx, m, not)
	}
	if err == nil && done.Save {
		err = r.save(ctx)
	}
	r.show(err)
	return err
}

// skip notes a message that is not delivered.
func (r *Run) skip(ctx context.Context, m publish.Stored, counts Tally) error {
	done, err := r.Target.Skip(ctx, m.Sequence, counts)
	r.note(done)
	if err == nil {
		err = r.saveIfDue(ctx)
	}
	r.show(err)
	return err
}

// warnings bounds the warnings about messages that are not events.
const warnings = 10

func (r *Run) skipNotEvent(ctx context.Context, m publish.Stored, why error) error {
	if r.warned++; r.warned <= warnings {
		r.warn(fmt.Errorf("skipped: message %d on %s: %w", m.Sequence, m.Subject, why))
	}
	if r.warned == warnings {
		r.warn(errors.New("skipped: further ones are only counted"))
	}
	return r.skip(ctx, m, Tally{Read: 1, NotEvents: 1})
}

// note brings the job to where the target is.
func (r *Run) note(done Report) {
	for _, refused := range done.Skipped {
		r.warn(fmt.Errorf("skipped: %w", refused))
	}
	r.Job.advance(done)
}

func (r *Run) warn(err error) {
	if r.Warn != nil {
		r.Warn(err)
	}
}

func (r *Run) show(err error) {
	if err == nil && r.Show != nil {
		r.Show(r.Job.Tally.Read, r.Job.Part())
	}
}

func (r *Run) saveIfDue(ctx context.Context) error {
	if r.Job.Store == nil || time.Since(r.saved) < savesEvery {
		return nil
	}
	return r.save(ctx)
}

// save brings to the disk what the target has reported, and only then saves the job that says so.
func (r *Run) save(ctx context.Context) error {
	r.saved = time.Now()
	if r.Job.Store == nil {
		return nil
	}
	err := r.Target.Sync(ctx)
	if err == nil {
		err = r.Job.Save(ctx)
	}
	if err == nil || errors.Is(err, ErrPermanent) {
		return err
	}
	return LostError{err}
}
