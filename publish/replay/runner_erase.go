package replay

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest/retry"
	"github.com/crm-bridge/crm-bridge/publish"
)

// rereadsWithin bounds how long a job may take to drop what it has read: it waits for acknowledgements of what is on its way.
const rereadsWithin = 30 * time.Second

// Reread has the jobs that run here drop what they have read and not delivered, and read it again. Jobs that may run elsewhere, as a
// command or in another bridge, are stopped, and can be resumed. It returns when nothing of before is on its way: what the stream does not
// hold any more, no job delivers then. The error names a job that cannot be reached.
func (r *Runner) Reread(ctx context.Context) error {
	place, err := r.Look()
	if err != nil {
		return err
	}
	r.mu.Lock()
	here := slices.DeleteFunc(slices.Clone(r.runs), (*running).over)
	r.mu.Unlock()
	if err := r.stopOthers(ctx, place, here); err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, rereadsWithin)
	defer cancel()
	for _, one := range here {
		if err := one.run.Reread(ctx); err != nil {
			return fmt.Errorf("job %s may still deliver what it has read: %w", one.name, err)
		}
	}
	return nil
}

// stopOthers takes jobs that have not ended from their runs elsewhere, and returns when these publish nothing more.
func (r *Runner) stopOthers(ctx context.Context, place *Place, here []*running) error {
	kept, err := place.Jobs(ctx)
	if err != nil {
		return err
	}
	var last time.Time
	for _, one := range kept {
		if !one.Ended.IsZero() || one.Problem != "" || slices.ContainsFunc(here, func(run *running) bool { return run.name == one.Name }) {
			continue
		}
		at := one.SavedAt
		if !strings.HasPrefix(one.Run, erasing) {
			job, err := Load(ctx, place.State, one.Name)
			if err == nil && job != nil && job.Ended.IsZero() && !job.Deleted() {
				err = job.take(ctx, erasing)
			}
			if err != nil {
				return fmt.Errorf("job %s, which may run elsewhere: %w", one.Name, err)
			}
			at = time.Now()
		}
		if at.After(last) {
			last = at
		}
	}
	if last.IsZero() {
		return nil
	}
	return retry.Sleep(ctx, min(runEnds, time.Until(last.Add(runEnds))))
}

// Forget removes the jobs that select a record by its id, since the job keeps that, and returns how many those are; with a dry run it
// counts them. A job is found whatever its module: its subjects need not name one. The events that it has replayed stay. An empty account
// is any.
func (r *Runner) Forget(ctx context.Context, record, account, subjects string, dryRun bool) (n int, err error) {
	place, err := r.Look()
	if err != nil {
		return 0, err
	}
	all, err := r.List(ctx) // also those that are not kept, or not yet
	if err != nil {
		return 0, err
	}
	for _, one := range all {
		asked := one.Request
		if asked.Record != record || asked.Account != "" && account != "" && asked.Account != account ||
			!slices.ContainsFunc(asked.Subjects, func(filter string) bool { return publish.Overlap(filter, subjects) }) {
			continue
		}
		if !dryRun {
			if err := r.remove(ctx, place, one.Name); err != nil {
				return n, fmt.Errorf("job %s: %w", one.Name, err)
			}
		}
		n++
	}
	return n, nil
}

// remove removes a job and keeps what it has replayed. A run of it ends, here or elsewhere.
func (r *Runner) remove(ctx context.Context, place *Place, name string) error {
	if err := r.Stop(ctx, name); err != nil && !errors.Is(err, ErrNotHere) {
		return err
	}
	job, err := Load(ctx, place.State, name)
	if err != nil {
		return err
	}
	if job == nil { // it was stopped before it was kept
		r.forget(name)
		return nil
	}
	if job.Ended.IsZero() {
		if err := job.take(ctx, erasing); err != nil { // so that a run elsewhere does not save it again
			return err
		}
		if err := retry.Sleep(ctx, runEnds); err != nil {
			return err
		}
	}
	r.forget(name)
	return place.State.Remove(ctx, KeyPrefix+name, job.revision)
}
