package replay

import (
	"cmp"
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/crm-bridge/crm-bridge/publish"
)

// running is a job that runs in this process, or has run.
type running struct {
	name    string
	options Options
	log     *slog.Logger
	began   time.Time
	first   uint64 // messages that earlier runs had read
	run     *Run
	stop    context.CancelCauseFunc
	ended   chan struct{} // closed when it has ended

	warned int // what was left out and logged

	mu     sync.Mutex
	listed Job   // a copy: the goroutine that runs the job changes it
	again  error // why it tries again
	err    error // why it has ended; nil: it is done, or runs
}

// errStopped ends a run that somebody has stopped.
var errStopped = errors.New("stopped")

func (o *running) over() bool {
	select {
	case <-o.ended:
		return true
	default:
		return false
	}
}

// do runs the job.
func (o *running) do(ctx context.Context, place *Place) {
	job := o.run.Job
	log := o.log.With("job", job.Name, "to", job.Request.Target)
	log.Info("a replay begins", "messages", job.Total, "done", job.Tally.Read)
	err := o.deliver(ctx, place)
	if ctx.Err() != nil && err != nil {
		err = context.Cause(ctx)
	}
	switch {
	case err == nil:
		log.Info("a replay is done", "events", job.Tally.Events, "refused", job.Tally.Refused)
	case ctx.Err() != nil:
		log.Info("a replay is stopped, and can be resumed", "done", job.Tally.Read)
	default:
		log.Warn("a replay ended", "error", err, "done", job.Tally.Read)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.listed, o.again, o.err = *job, nil, err
	close(o.ended)
}

// deliver opens the target, and delivers what the job has left.
func (o *running) deliver(ctx context.Context, place *Place) error {
	run, job := o.run, o.run.Job
	if o.options.Endpoint == nil {
		to, err := place.Subject(ctx, job, Start{})
		if err != nil {
			return err
		}
		defer func() { _ = to.Close() }()
		to.SkipRefused, run.Target = o.options.SkipRefused, to
	} else {
		run.Target = &Endpoint{
			URL: o.options.Endpoint.String(), Mode: cmp.Or(o.options.Mode, publish.Structured), SkipRefused: o.options.SkipRefused, Parallel: o.options.Parallel, Patience: runPatience, Again: o.retrying,
		}
		if err := job.Claim(ctx); err != nil {
			return err
		}
	}
	if !job.Ended.IsZero() {
		return nil // another run has finished it meanwhile
	}
	run.Rate, run.Patience, run.Show, run.Again = o.options.Rate, runPatience, o.show, o.retrying
	run.Warn = o.leftOut
	return run.Replay(ctx)
}

func (o *running) show(uint64, float64) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.listed, o.again = *o.run.Job, nil
}

func (o *running) retrying(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.again = err
}

// leftOut logs the first events that are left out; the tally counts all.
func (o *running) leftOut(err error) {
	if o.warned++; o.warned <= warnings {
		o.log.Warn("a replay left something out", "job", o.name, "error", err)
	}
}
