package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/terminal"
	"github.com/crm-bridge/crm-bridge/publish"
)

// replay reads events from a stream, and gives them to a target.
type replay struct {
	span     *publish.Span
	selected selection
	target   target
	job      *replayJob
	pace     *pace
	patience time.Duration // how long what fails is tried again
	bar      *terminal.Progress
	idle     func() // called before a wait

	told  uint64    // warnings about messages that are no events
	saved time.Time // when the job was last kept
}

// target takes the events of a replay, one after the other.
type target interface {
	// begin is called before the first event, and anew when a lostError is mended.
	begin(ctx context.Context) error
	// give takes an event. What it does not do at once is done when flush returns.
	give(ctx context.Context, m publish.Stored) error
	// pass notes a message that is not replayed.
	pass(ctx context.Context, m publish.Stored, counts tally) error
	// flush returns when all that was given is safe.
	flush(ctx context.Context) error
	// keep brings what was noted to the disk, before the job says so.
	keep(ctx context.Context) error
}

// errForGood marks an error that no second attempt mends.
var errForGood = errors.New("the replay ends")

// lostError is a failure after which the target begins again where the job is.
type lostError struct{ error }

// Unwrap returns why.
func (e lostError) Unwrap() error { return e.error }

// savesEvery is how often a job is kept while nothing forces it to be.
const savesEvery = time.Second

// run replays what the job has left.
func (r *replay) run(ctx context.Context) error {
	good, at := time.Now(), r.job.At
	for {
		err := r.attempt(ctx)
		var lost lostError
		if !errors.As(err, &lost) || ctx.Err() != nil {
			return r.end(ctx, err)
		}
		if r.job.At > at {
			good, at = time.Now(), r.job.At
		}
		if time.Since(good) > r.patience {
			return r.end(ctx, fmt.Errorf("tried for %s: %w", r.patience, lost.error))
		}
		r.bar.Again(lost.error)
		if err := sleep(ctx, 500*time.Millisecond); err != nil {
			return r.end(ctx, err)
		}
	}
}

// attempt replays what the job has left, until something is lost.
func (r *replay) attempt(ctx context.Context) error {
	if err := r.target.begin(ctx); err != nil {
		return err
	}
	span := *r.span
	span.First, span.Last = max(r.job.First, r.job.At+1), r.job.Last
	span.Patience, span.Failed, span.Idle = r.patience, r.bar.Again, r.idle
	if err := span.Each(ctx, func(m publish.Stored) error { return r.one(ctx, m) }); err != nil {
		return err
	}
	return r.target.flush(ctx)
}

// end keeps what was done, also when the replay was interrupted.
func (r *replay) end(ctx context.Context, err error) error {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 5*time.Second)
	defer cancel()
	if err == nil {
		r.job.Ended = time.Now().UTC()
		return r.keep(ctx)
	}
	_ = r.target.flush(ctx) // the first reason is the one to tell
	_ = r.keep(ctx)
	return err
}

// one replays one message.
func (r *replay) one(ctx context.Context, m publish.Stored) error {
	if !r.selected.matches(m) {
		if err := r.target.pass(ctx, m, tally{Read: 1}); err != nil {
			return err
		}
	} else {
		if err := r.pace.wait(ctx, r.idle); err != nil {
			return err
		}
		if err := r.target.give(ctx, m); err != nil {
			return err
		}
	}
	r.bar.Show(int(r.job.Tally.Read), r.job.part())
	return nil
}

// done notes that all up to a sequence is done.
func (r *replay) done(ctx context.Context, sequence uint64, counts tally) error {
	r.job.At = sequence
	r.job.Tally.add(counts)
	if r.job.store == nil || time.Since(r.saved) < savesEvery {
		return nil
	}
	return r.keep(ctx)
}

// keep saves the job.
func (r *replay) keep(ctx context.Context) error {
	r.saved = time.Now()
	if r.job.store == nil {
		return nil
	}
	err := r.target.keep(ctx)
	if err == nil {
		err = r.job.save(ctx)
	}
	if err == nil || errors.Is(err, errForGood) {
		return err
	}
	return lostError{err}
}

// noEvent passes a message over that is no event.
func (r *replay) noEvent(ctx context.Context, m publish.Stored, why error) error {
	if r.told++; r.told <= toldAtMost {
		r.bar.Say("passed over: message %d on %s: %s", m.Sequence, m.Subject, why)
	}
	if r.told == toldAtMost {
		r.bar.Say("passed over: more are only counted")
	}
	return r.target.pass(ctx, m, tally{Read: 1, NoEvents: 1})
}

// toldAtMost bounds the warnings of one kind.
const toldAtMost = 10
