package replay

import (
	"context"
	"log/slog"
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
	// spanPatience is how long the search for what to replay waits for a copy of the stream that is behind the others.
	spanPatience = 2 * time.Second
)

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
