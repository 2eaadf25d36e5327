package replay

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/crm-bridge/crm-bridge/publish"
)

// ErrJobRuns says that a job runs here already.
var ErrJobRuns = errors.New("the job is running")

var errClosing = errors.New("the bridge is ending")

// TooManyJobsError says that as many jobs run as may.
type TooManyJobsError int

// Error names the bound.
func (most TooManyJobsError) Error() string {
	return fmt.Sprintf("%d replay jobs are running, the most at once: wait, or stop one of them", int(most))
}

// ErrJobNamed says that there is a job of that name.
var ErrJobNamed = errors.New("there is a job of that name: resume it, delete it, or choose another name")

// Start begins a job, and returns its name when it has begun.
func (r *Runner) Start(ctx context.Context, o Order) (string, error) {
	o, err := r.normal(o)
	if err != nil {
		return "", err
	}
	return r.begin(ctx, o.Options, func(ctx context.Context, place *Place) (*Run, error) {
		var had *Job
		if o.Name != "" {
			if had, err = Load(ctx, place.State, o.Name); err != nil {
				return nil, err
			}
			if had != nil && !had.Deleted() {
				return nil, ErrJobNamed
			}
		}
		span, err := r.span(ctx, place.Conn, o)
		if err != nil {
			return nil, err
		}
		job, err := NewJob(ctx, o.Name, o.request(r.Stream), span)
		if err != nil {
			return nil, err
		}
		if job.Store = place.State; had != nil {
			job.Replace(had)
		}
		return &Run{Span: span, Job: job, Selected: o.Selection}, nil
	})
}

// ErrEndpointNeeded says that a job cannot be resumed without the URL of its endpoint, which is not kept.
var ErrEndpointNeeded = errors.New("give the URL of the endpoint again: it is not kept, because it may hold a secret")

// DeadError says that a job replays what a consumer, which it names, gave up on: that is looked up in a list that a Runner does not know.
type DeadError string

// Error says what resumes the job.
func (consumer DeadError) Error() string {
	return fmt.Sprintf("the job replays what consumer %q gave up on: run crm-bridge replay --dead with its name to resume it", string(consumer))
}

// Resume goes on with a job that was interrupted. Where the options have no endpoint or no mode, they are those of the last run here.
func (r *Runner) Resume(ctx context.Context, name string, o Options) error {
	if err := o.check(); err != nil {
		return err
	}
	if last := r.last(name); last != nil {
		o.Endpoint, o.Mode = cmp.Or(o.Endpoint, last.options.Endpoint), cmp.Or(o.Mode, last.options.Mode)
	}
	_, err := r.begin(ctx, o, func(ctx context.Context, place *Place) (*Run, error) {
		job, err := Load(ctx, place.State, name)
		switch {
		case err != nil:
			return nil, err
		case job == nil || job.Deleted():
			return nil, ErrNoJob
		case !job.Ended.IsZero():
			return nil, errors.New("the job is done: start another one")
		case job.Request.Dead != "":
			return nil, DeadError(job.Request.Dead)
		case job.Request.Stream != r.Stream:
			return nil, fmt.Errorf("the job reads stream %s, and this bridge has stream %s", job.Request.Stream, r.Stream)
		case job.Request.Target != ToSubject && o.Endpoint == nil:
			return nil, ErrEndpointNeeded
		case job.Request.Target != o.target():
			return nil, errors.New("the job has another target")
		}
		span, err := place.Conn.OpenSpan(ctx, r.Stream, job.Request.Subjects, publish.Bounds{})
		if err != nil {
			return nil, err
		}
		if !job.Made.Equal(span.Made) {
			return nil, fmt.Errorf("stream %s was recreated after the job began: start another one", r.Stream)
		}
		selected := Selection{Record: job.Request.Record, Account: job.Request.Account, Origin: job.Request.Origin}
		return &Run{Span: span, Job: job, Selected: selected}, nil
	})
	return err
}

// begin runs what open returns, which is called while no other job can begin.
func (r *Runner) begin(ctx context.Context, o Options, open func(context.Context, *Place) (*Run, error)) (string, error) {
	r.beginning.Lock()
	defer r.beginning.Unlock()
	jobs, err := r.room()
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(jobs, cancel)()
	place, err := r.Open(ctx)
	if err != nil {
		return "", err
	}
	run, err := r.openRun(ctx, place, open)
	if err != nil {
		place.Conn.Close()
		return "", err
	}
	jobs, stop := context.WithCancelCause(jobs)
	one := &running{
		name: run.Job.Name, options: o, log: r.Log, began: time.Now(), run: run, first: run.Job.Tally.Read, listed: *run.Job, stop: stop, ended: make(chan struct{}),
	}
	r.remember(one)
	r.work.Go(func() {
		defer stop(nil)
		defer place.Conn.Close()
		one.do(jobs, place)
	})
	return one.name, nil
}

// room returns the context of the jobs, or why none can begin now.
func (r *Runner) room() (context.Context, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ctx == nil || r.ctx.Err() != nil {
		return nil, errClosing
	}
	most, n := r.Most, 0
	if most == 0 {
		most = defaultJobs
	}
	for _, one := range r.runs {
		if !one.over() {
			n++
		}
	}
	if n >= most {
		return nil, TooManyJobsError(most)
	}
	return r.ctx, nil
}

func (r *Runner) openRun(ctx context.Context, place *Place, open func(context.Context, *Place) (*Run, error)) (*Run, error) {
	if err := place.State.Open(ctx); err != nil {
		return nil, err
	}
	if err := place.Prune(ctx); err != nil {
		r.Log.Warn("old replay jobs are not removed", "error", err)
	}
	run, err := open(ctx, place)
	if err != nil {
		return nil, err
	}
	if last := r.last(run.Job.Name); last != nil && !last.over() {
		return nil, ErrJobRuns
	}
	return run, nil
}

// last returns the last run here of a job; nil: none is remembered.
func (r *Runner) last(name string) *running {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, one := range r.runs {
		if one.name == name {
			return one
		}
	}
	return nil
}

// remember notes a run in place of an earlier one of its job, and forgets the oldest that has ended where there are too many.
func (r *Runner) remember(one *running) {
	r.forget(one.name)
	r.mu.Lock()
	defer r.mu.Unlock()
	if oldest := slices.IndexFunc(r.runs, (*running).over); oldest >= 0 && len(r.runs) >= remembered {
		r.runs = slices.Delete(r.runs, oldest, oldest+1)
	}
	r.runs = append(r.runs, one)
}

func (r *Runner) forget(name string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.runs = slices.DeleteFunc(r.runs, func(one *running) bool { return one.name == name })
}
