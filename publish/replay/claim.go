package replay

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest/retry"

	"github.com/crm-bridge/crm-bridge/publish"
)

// claims bounds the attempts to take a job over from a run that saves it after each event.
const claims = 100

// Claim saves the job before anything is done, so that an earlier run of it that is still at work ends. A job that another run is making is
// not taken from it: what that publishes next would be removed.
func (j *Job) Claim(ctx context.Context) error { return j.claim(ctx, "", true) }

// take is Claim for what ends every run of the job: nothing is refused. The name of its run begins with prefix.
func (j *Job) take(ctx context.Context, prefix string) error { return j.claim(ctx, prefix, false) }

// claim saves the job under a new run. One that yields does not take a job that another run is making.
func (j *Job) claim(ctx context.Context, prefix string, yields bool) error {
	fresh := j.Run == ""
	for tries := 1; ; tries++ {
		if !j.Ended.IsZero() {
			return nil
		}
		j.Run = prefix + rand.Text()
		err := j.Save(ctx)
		if !errors.As(err, new(atWork)) || fresh && j.revision == 0 || yields && j.Unmade && !fresh || tries == claims {
			return err
		}
		// The other has got further between our look and our claim.
		now, err := Load(ctx, j.Store, j.Name)
		switch {
		case err != nil:
			return err
		case now == nil:
			return fmt.Errorf("%w: the state of job %s was removed", ErrPermanent, j.Name)
		case fresh:
			j.revision = now.revision
		default:
			*j = *now
		}
	}
}

// runEnds is when an earlier run publishes nothing more: it does so only within savesEvery after it saved the job.
const runEnds = savesEvery + time.Second

// ErrJobExists says that a stream holds what another job has published.
var ErrJobExists = errors.New("another job of that name has published events already")

// Claim makes this run the only one of a job, and returns when an earlier run of it publishes nothing more. A job that begins
// finds nothing of an earlier one on its subjects then: with restart it is removed; else the error is ErrJobExists.
func (t *Subject) Claim(ctx context.Context, job *Job, restart bool) error {
	if job.Unmade || job.Run == "" {
		return t.makeRoom(ctx, job, restart)
	}
	if err := job.Claim(ctx); err != nil || !job.Ended.IsZero() {
		return err
	}
	return retry.Sleep(ctx, runEnds)
}

// makeRoom begins a job whose subjects hold nothing of an earlier job of its name, unless Append says that it stays.
func (t *Subject) makeRoom(ctx context.Context, job *Job, restart bool) error {
	last, own, err := t.To.Last(ctx)
	if err != nil {
		return err
	}
	if !own.IsZero() && job.revision == 0 && !restart {
		return fmt.Errorf("stream %s, job %s: %w", t.To.Stream, job.Name, ErrJobExists)
	}
	job.Unmade, job.Beside = true, last
	if err := job.Claim(ctx); err != nil {
		return err
	}
	if !own.IsZero() && !t.Append {
		if err := t.forget(ctx); err != nil {
			return err
		}
	}
	if err := t.awaitFree(ctx, job.Free); err != nil {
		return err
	}
	job.Unmade, job.Free = false, time.Time{}
	return job.Save(ctx)
}

// forget removes what an earlier job of the name has published, and returns when its ids can be used again.
func (t *Subject) forget(ctx context.Context) error {
	if err := retry.Sleep(ctx, runEnds); err != nil {
		return err
	}
	_, free, err := t.To.Forget(ctx)
	if err == nil {
		err = t.awaitFree(ctx, free)
	}
	if err == nil && t.SyncAll != nil { // a deletion inside a stream rewrites blocks
		err = t.SyncAll()
	}
	return err
}

// awaitFree waits until the stream has forgotten the ids of what was removed.
func (t *Subject) awaitFree(ctx context.Context, free time.Time) error {
	left := time.Until(free)
	if left <= 0 {
		return nil
	}
	if t.Removed != nil {
		t.Removed(left)
	}
	return retry.Sleep(ctx, left)
}

// watch ends a run when its job is taken from it: a run that waits for a post saves nothing, and would not see it. Only a bucket is
// shared with others.
func (j *Job) watch(ctx context.Context, name, own string, end context.CancelCauseFunc) {
	bucket, shared := j.Store.(*publish.Bucket)
	for shared && retry.Sleep(ctx, savesEvery) == nil {
		if now, err := Load(ctx, bucket, name); err == nil && now != nil && now.Run != own {
			end(fmt.Errorf("%w: %w", ErrPermanent, takenBy(now)))
			return
		}
	}
}
