package records

import (
	"context"
	"errors"
	"sync"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
)

const (
	// laneQueue is how many events of a module wait in this process, and laneWait how long others wait for the next one to find room:
	// beyond both an event is given back, and waits in the consumer.
	laneQueue = 256
	laneWait  = time.Second
	// gatherFor is how long the ids of events are gathered before their records are read, unless there are enough of them.
	gatherFor = 200 * time.Millisecond
)

const (
	// firstWait and lastWait are the pauses after a failure, doubling from the first to the second.
	firstWait = 200 * time.Millisecond
	lastWait  = 30 * time.Second
)

// lane reads the records of one module of an account, so that what one cannot read keeps no other waiting.
type lane struct {
	*settler
	queue chan *cause
	full  time.Time       // until when no event waits for room; take alone uses it
	busy  *sync.WaitGroup // the keeper's

	mu      sync.Mutex
	running bool
	failing time.Duration // pause after the last failure; 0: it works
	until   time.Time     // when it reads again
	problem string        // why it failed
	behind  time.Time     // when the oldest event was stored that waits here or was given back; zero: none waits
}

// take takes a cause. While the lane fails, or has no room for a second, it is given back, to come again later.
func (l *lane) take(ctx context.Context, one *cause) {
	l.mu.Lock()
	if at := one.delivered.At; l.behind.IsZero() || at.Before(l.behind) {
		l.behind = at
	}
	pause := time.Until(l.until)
	l.mu.Unlock()
	if pause > 0 {
		one.delivered.Later(pause)
		return
	}
	if full := time.Until(l.full); full > 0 && len(l.queue) == cap(l.queue) {
		one.delivered.Later(full)
		return
	}
	late := time.NewTimer(laneWait)
	defer late.Stop()
	select {
	case l.queue <- one:
	case <-late.C:
		l.full = time.Now().Add(2 * laneWait)
		one.delivered.Later(2 * laneWait)
		return
	case <-ctx.Done():
		one.delivered.Later(0)
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.running { // it may have ended meanwhile
		l.running = true
		l.busy.Go(func() { l.run(ctx) })
	}
}

// run settles batches until the queue is empty, or one fails.
func (l *lane) run(ctx context.Context) {
	for {
		b := l.gather(ctx)
		if b == nil {
			return
		}
		if err := l.settle(ctx, b); err != nil {
			l.fail(ctx, b, err)
			return
		}
		l.succeed(b)
	}
}

// gather returns the next batch; nil: none waits, and the lane has ended.
func (l *lane) gather(ctx context.Context) *batch {
	b := &batch{items: map[string]*item{}}
	enough := time.NewTimer(gatherFor)
	defer enough.Stop()
	for len(b.items) < ingest.MaxRead {
		select {
		case one := <-l.queue:
			b.add(l.provider, one)
		case <-enough.C:
			if len(b.causes) > 0 {
				return b
			}
			l.mu.Lock()
			if len(l.queue) == 0 {
				l.running, l.behind = false, time.Time{}
				l.mu.Unlock()
				return nil
			}
			l.mu.Unlock()
			enough.Reset(gatherFor)
		case <-ctx.Done():
			l.fail(ctx, b, context.Cause(ctx))
			return nil
		}
	}
	return b
}

// succeed acknowledges the events of a batch whose states are safe.
func (l *lane) succeed(b *batch) {
	for _, one := range b.causes {
		one.delivered.Done()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.failing > 0 {
		l.log.Info("records are read again", "provider", l.provider, "account", l.account, "module", l.module)
	}
	l.failing, l.problem, l.until, l.behind = 0, "", time.Time{}, b.causes[len(b.causes)-1].delivered.At
}

// fail gives back the events of a batch, and those that wait, for when the lane reads again.
func (l *lane) fail(ctx context.Context, b *batch, err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var pause time.Duration
	if ctx.Err() == nil { // else another replica, or the next start, gets them at once
		if l.failing == 0 {
			l.log.Warn("records cannot be read now; their events wait", "provider", l.provider, "account", l.account, "module", l.module, "error", err)
		}
		l.failing, l.problem = min(max(2*l.failing, firstWait), lastWait), err.Error()
		pause = l.failing
		if spent := (*ingest.Spent)(nil); errors.As(err, &spent) {
			pause = max(pause, time.Until(spent.Until))
		}
		l.metrics.failed(l.provider)
	}
	l.until, l.running = time.Now().Add(pause), false
	l.giveBack(b, pause)
	for {
		select {
		case one := <-l.queue:
			one.delivered.Later(pause)
		default:
			return
		}
	}
}

func (l *lane) giveBack(b *batch, pause time.Duration) {
	for _, one := range b.causes {
		one.delivered.Later(pause)
	}
}

// waiting is how long the oldest event of the lane has waited for its records, and whether it waits for the CRM.
func (l *lane) waiting() (lag time.Duration, paused bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.behind.IsZero() {
		lag = max(0, time.Since(l.behind))
	}
	return lag, l.failing > 0 && time.Now().Before(l.until)
}
