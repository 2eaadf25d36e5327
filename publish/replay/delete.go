package replay

import (
	"context"
	"errors"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest/retry"
)

// ErrNoJob says that there is neither a job of a name nor anything that one has published.
var ErrNoJob = errors.New("there is no such job")

// Delete removes a job, and the events that it has published on its subjects, and returns how many those were. A run of it that is at work
// ends. After an interruption the job is still there, and can be deleted.
func (p *Place) Delete(ctx context.Context, name string) (removed uint64, err error) {
	job, err := Load(ctx, p.State, name)
	switch {
	case err != nil:
		return 0, err
	case job == nil || job.Deleted():
		return p.deleteEvents(ctx, name)
	case job.Ended.IsZero():
		if err := job.stopRun(ctx); err != nil {
			return 0, err
		}
	}
	var free time.Time
	if job.Request.Target == ToSubject {
		if removed, free, err = p.forget(ctx, name); err != nil {
			return removed, err
		}
	}
	if time.Until(free) <= 0 {
		return removed, p.State.Remove(ctx, KeyPrefix+name, job.revision)
	}
	*job = Job{Name: name, Request: job.Request, Began: job.Began, Free: free, Store: job.Store, revision: job.revision}
	return removed, job.Save(ctx)
}

// stopRun ends a run of the job that is at work, and leaves the job as one that has done nothing: its events are removed next.
func (j *Job) stopRun(ctx context.Context) error {
	if err := j.take(ctx, ""); err != nil || !j.Ended.IsZero() {
		return err
	}
	if err := retry.Sleep(ctx, runEnds); err != nil {
		return err
	}
	j.At, j.Beside, j.Tally, j.Unmade = 0, 0, Tally{}, true
	return j.Save(ctx)
}

// deleteEvents removes what is on the subjects of a job whose state is not kept any more.
func (p *Place) deleteEvents(ctx context.Context, name string) (uint64, error) {
	if p.Conn.Lacks(ctx, p.Stream.Name) {
		return 0, ErrNoJob
	}
	removed, _, err := p.forget(ctx, name)
	if err == nil && removed == 0 {
		err = ErrNoJob
	}
	return removed, err
}

func (p *Place) forget(ctx context.Context, name string) (removed uint64, free time.Time, err error) {
	if p.Conn.Lacks(ctx, p.Stream.Name) {
		return 0, free, nil
	}
	if removed, free, err = p.replay(name).Forget(ctx); err == nil && removed > 0 {
		err = p.syncAll()
	}
	return removed, free, err
}
