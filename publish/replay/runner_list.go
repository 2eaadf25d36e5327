package replay

import (
	"context"
	"errors"
	"slices"
	"time"
)

// Status is a job, and how its last run does.
type Status struct {
	Listed
	State State
	Rate  float64 // messages a second, of a job that runs here
	Err   error   // why it failed, or why a job that runs tries again
}

// Part returns how much of the job is done, from 0 to 1.
func (s Status) Part() float64 {
	if s.State == Done {
		return 1
	}
	return s.Job.Part()
}

// List returns all jobs that are kept, also those of the command, and what has failed here before it was kept; the newest first.
func (r *Runner) List(ctx context.Context) ([]Status, error) {
	place, err := r.Look()
	if err != nil {
		return nil, err
	}
	r.mu.Lock()
	here := slices.Clone(r.runs)
	r.mu.Unlock()
	atWork := slices.DeleteFunc(slices.Clone(here), (*running).over)
	kept, err := place.Jobs(ctx)
	if err != nil {
		return nil, err
	}
	now := time.Now()
	if r.now != nil {
		now = r.now()
	}
	var all []Status
	for _, one := range here {
		if slices.ContainsFunc(kept, func(job Listed) bool { return job.Name == one.name }) {
			continue
		}
		// It was not kept yet, or failed before it was; what had ended after it was kept was deleted elsewhere.
		if status := one.unkept(); slices.Contains(atWork, one) || status.revision == 0 {
			all = append(all, status)
		}
	}
	for _, job := range kept {
		status := Status{Listed: job, State: job.StateAt(now)}
		if i := slices.IndexFunc(here, func(one *running) bool { return one.name == job.Name }); i >= 0 {
			here[i].fill(&status)
		}
		all = append(all, status)
	}
	return all, nil
}

// unkept returns what is known of a run whose job is not among those that are kept.
func (o *running) unkept() Status {
	o.mu.Lock()
	status := Status{Listed: Listed{Job: o.listed, SavedAt: o.began}}
	o.mu.Unlock()
	o.fill(&status)
	return status
}

// fill fills in what the run knows about its job, unless another run has taken the job over since.
func (o *running) fill(status *Status) {
	o.mu.Lock()
	defer o.mu.Unlock()
	over := o.over()
	switch {
	case over && status.Run != o.listed.Run:
		return
	case over && o.err == nil:
		status.State = Done
	case over && errors.Is(o.err, errStopped):
		status.State = Stopped
	case over && errors.Is(o.err, context.Canceled):
		status.State = Interrupted
	case over:
		status.State, status.Err = Failed, o.err
	default:
		status.State, status.Err = Running, o.again
		status.Rate = float64(o.listed.Tally.Read-o.first) / max(time.Since(o.began).Seconds(), 0.001)
	}
	status.Tally = o.listed.Tally
}

// ErrNotHere says that a job does not run in this process.
var ErrNotHere = errors.New("the job does not run in this bridge")

// Stop stops a job that runs here, and returns when it has saved how far it is.
func (r *Runner) Stop(ctx context.Context, name string) error {
	one := r.last(name)
	if one == nil || one.over() {
		return ErrNotHere
	}
	one.stop(errStopped)
	select {
	case <-one.ended:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// Delete removes a job with the events that it has published on its subjects, and returns how many those were. A run of it ends, here or
// elsewhere.
func (r *Runner) Delete(ctx context.Context, name string) (removed uint64, err error) {
	if err := r.Stop(ctx, name); err != nil && !errors.Is(err, ErrNotHere) {
		return 0, err
	}
	place, err := r.Open(ctx)
	if err != nil {
		return 0, err
	}
	defer place.Conn.Close()
	failed := r.last(name) != nil // perhaps before it was kept
	removed, err = place.Delete(ctx, name)
	if errors.Is(err, ErrNoJob) && failed {
		err = nil
	}
	if err == nil {
		r.forget(name)
		r.Log.Info("a replay job is deleted", "job", name, "events", removed)
	}
	return removed, err
}
