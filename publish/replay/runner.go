package replay

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"sync"
	"time"

	"github.com/crm-bridge/crm-bridge/publish"
)

// Runner runs jobs in this process for those who ask over HTTP, so many at once. Set the exported fields once, and call Run.
type Runner struct {
	// Open connects to the server that has the stream. Whoever called it closes Place.Conn.
	Open func(ctx context.Context) (*Place, error)
	// Look returns where jobs are, over a connection that stays: to list them costs no new one.
	Look   func() (*Place, error)
	Stream string // of events
	Prefix string // first token of live subjects
	Most   int    // jobs at once; 0: 2
	Log    *slog.Logger

	now       func() time.Time // nil: time.Now
	beginning sync.Mutex       // held while a job begins, before mu
	work      sync.WaitGroup
	mu        sync.Mutex
	ctx       context.Context //nolint:containedctx // of the jobs, which end with Run
	runs      []*running      // one of each job, the one that began last at the end
}

const (
	// defaultJobs is how many jobs run at once.
	defaultJobs = 2
	// remembered is how many runs that have ended are remembered, with why they failed and where they post.
	remembered = 64
	// runPatience is how long a job retries an unreachable endpoint or NATS.
	runPatience = 15 * time.Minute
	// spanPatience is how long the search for what to replay waits for a copy of the stream that is behind the others.
	spanPatience = 2 * time.Second
)

// Order is what a job replays, and where to.
type Order struct {
	Name         string   // of the job; empty: a new one
	Subjects     []string // filters; empty: all of the bridge
	Since, Until time.Time
	From, Upto   uint64 // sequences
	Selection
	Options
}

// Options are those of a run, which may differ when a job is resumed.
type Options struct {
	Endpoint    *url.URL     // nil: to subjects of the job's own. It is kept in memory alone: it may hold a secret
	Mode        publish.Mode // of posts; empty: structured
	Parallel    int          // posts at once; 0: one
	Rate        float64      // events a second; 0: as fast as the target takes them
	SkipRefused bool         // leave out events that the target rejects permanently
}

// MaxParallel is how many posts of a job may be under way at once.
const MaxParallel = 64

// check returns why an order cannot be run, in words for whoever gave it.
func (o Order) check() error {
	for _, filter := range o.Subjects {
		if !publish.IsFilter(filter) {
			return fmt.Errorf("%q is not a subject: give tokens joined by dots, such as crm.*.Deals.* or crm.>", filter)
		}
	}
	switch {
	case o.Name != "" && !ValidName(o.Name):
		return errors.New("the name of a job must be 1 to 64 of the characters A-Z a-z 0-9 _ -")
	case !o.Since.IsZero() && !o.Until.IsZero() && !o.Since.Before(o.Until):
		return errors.New("the time from which events are replayed must be before the time at which it ends")
	case o.Upto > 0 && o.From > o.Upto:
		return errors.New("the first sequence must not be more than the last")
	}
	return o.Options.check()
}

func (o Options) check() error {
	switch {
	case o.Parallel < 0 || o.Parallel > MaxParallel:
		return fmt.Errorf("posts at once must be 1 to %d", MaxParallel)
	case o.Rate < 0:
		return errors.New("the rate must not be negative")
	}
	return nil
}

// target is the Request.Target of the options.
func (o Options) target() string {
	if o.Endpoint == nil {
		return ToSubject
	}
	return EndpointName(o.Endpoint)
}

func (o Order) request(stream string) Request {
	return Request{
		Stream: stream, Subjects: o.Subjects, Since: written(o.Since), Until: written(o.Until), From: o.From, Upto: o.Upto,
		Record: o.Record, Account: o.Account, Origin: o.Origin, Target: o.target(),
	}
}

func written(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return at.UTC().Format(time.RFC3339)
}

// span is the part of the stream that the order selects.
func (r *Runner) span(ctx context.Context, conn *publish.Conn, o Order) (*publish.Span, error) {
	span, err := conn.OpenSpan(ctx, r.Stream, o.Subjects, publish.Bounds{Since: o.Since, Until: o.Until, From: o.From, To: o.Upto})
	if err == nil {
		span.Patience = spanPatience
	}
	return span, err
}

// normal returns the order as it is run, or why it cannot be.
func (r *Runner) normal(o Order) (Order, error) {
	if len(o.Subjects) == 0 {
		o.Subjects = []string{r.Prefix + ".>"}
	}
	return o, o.check()
}

// Count is a dry run: it counts by subject what an order would replay, and replays nothing. Where ctx ends before all is counted, it
// returns what it has counted, and complete is false.
func (r *Runner) Count(ctx context.Context, o Order) (counts []SubjectCount, complete bool, err error) {
	if o, err = r.normal(o); err != nil {
		return nil, false, err
	}
	place, err := r.Open(ctx)
	if err != nil {
		return nil, false, err
	}
	defer place.Conn.Close()
	span, err := r.span(ctx, place.Conn, o)
	if err != nil {
		return nil, false, err
	}
	counts, err = Count(ctx, span, o.Selection, func(int) {})
	if err != nil && ctx.Err() != nil {
		return counts, false, nil
	}
	return counts, err == nil, err
}

// Run runs the jobs until ctx ends, and returns when all have saved how far they are.
func (r *Runner) Run(ctx context.Context) {
	r.mu.Lock()
	r.ctx = ctx
	r.mu.Unlock()
	<-ctx.Done()
	r.beginning.Lock() // one that is beginning is waited for, and none begins any more
	defer r.beginning.Unlock()
	r.work.Wait()
}
