package zoho

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
)

// Channels keeps the notification channels of an account alive: one for each module, with a token and a proof of its own.
// Set the fields once. It implements ingest.Watcher.
type Channels struct {
	Client    *Client
	Account   string            // the org's name in events
	Secrets   ingest.SecretList // the first makes ids, tokens and proofs; channels of the others are replaced
	PublicURL string            // where Zoho reaches the bridge
	Events    Events
	Log       *slog.Logger

	mu         sync.Mutex
	reconciled time.Time // when the list of channels was last read; zero: not in this process
	failures   int       // calls of Watch in a row that failed
}

// How often things are done.
const (
	reconcileEvery = 24 * time.Hour
	retryLongest   = 10 * time.Minute // between calls of Watch that fail
	retryShortest  = 10 * time.Second // the same, where a channel is about to end
	maxUnanswered  = 3                // requests without an answer, after which the rest waits for the next call
)

// Watch implements ingest.Watcher. Each gap is remembered in state with what is known of its channel, until it is noted.
func (c *Channels) Watch(ctx context.Context, state ingest.State, note func(ingest.Gap) error) (ingest.Watched, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	m, err := loadMemory(ctx, state.Shared, c.Account)
	if err != nil {
		return ingest.Watched{Next: c.next(nil, true)}, err
	}
	listed, errs := listing{}, []error(nil)
	if since := time.Since(c.reconciled); c.reconciled.IsZero() || since >= reconcileEvery || since < 0 {
		if listed, err = c.list(ctx); err != nil {
			errs = append(errs, err)
		}
	}
	errs = append(errs, c.keepAll(ctx, m, listed)...)
	if err := errors.Join(errs...); errors.Is(err, errState) || ctx.Err() != nil {
		return ingest.Watched{Next: c.next(m, true), Channels: c.channels(m)}, err
	}
	if listed.read && len(errs) == 0 {
		c.reconciled = time.Now()
	}
	if err := c.noteGaps(ctx, m, note); err != nil {
		errs = append(errs, err)
	}
	return ingest.Watched{Next: c.next(m, len(errs) > 0), Channels: c.channels(m)}, errors.Join(errs...)
}

// noteGaps notes the gaps that are remembered, and forgets them when all are noted.
func (c *Channels) noteGaps(ctx context.Context, m *memory, note func(ingest.Gap) error) error {
	noted := false
	for _, wanted := range c.Events {
		kept := m.of(wanted.Module)
		for _, gap := range kept.Gaps {
			if err := note(ingest.Gap{Account: c.Account, Module: wanted.Module, Since: gap.Since, Until: gap.Until}); err != nil {
				return fmt.Errorf("note a gap of %s: %w", wanted.Module, err)
			}
			noted = true
		}
		kept.Gaps = nil
	}
	if !noted {
		return nil
	}
	return m.save(ctx)
}

// keepAll does what is to be done for each module, the most urgent first.
func (c *Channels) keepAll(ctx context.Context, m *memory, listed listing) (errs []error) {
	wanted := slices.Clone(c.Events)
	slices.SortStableFunc(wanted, func(a, b Wanted) int { return m.of(a.Module).Expires.Compare(m.of(b.Module).Expires) })
	unanswered := 0
	for _, w := range wanted {
		err := c.keep(ctx, m, w, listed, false)
		if err == nil {
			continue
		}
		errs = append(errs, fmt.Errorf("channel of %s: %w", w.Module, err))
		var refused *Error
		if !errors.As(err, &refused) {
			unanswered++
		}
		if errors.Is(err, errState) || ctx.Err() != nil || unanswered >= maxUnanswered {
			return errs
		}
	}
	if err := c.tidy(ctx, m, listed); err != nil {
		errs = append(errs, err)
	}
	return errs
}

// next is when to call Watch again, by our own clock.
func (c *Channels) next(m *memory, failed bool) time.Time {
	now := time.Now()
	if failed {
		pause := min(time.Minute<<min(c.failures, 5), retryLongest, max(c.left(m)/2, retryShortest))
		c.failures++
		return now.Add(pause - rand.N(pause/4)) //nolint:gosec // spreads load, guards nothing
	}
	c.failures = 0
	wait := reconcileEvery - now.Sub(c.reconciled)
	for _, wanted := range c.Events {
		if kept := m.of(wanted.Module); !kept.Disabled {
			wait = min(wait, kept.due().Sub(c.Client.Now()))
		}
	}
	return now.Add(max(wait, time.Second))
}

// left is how long the channel that ends first has left, of those that are alive; retryLongest at most and where m is nil.
func (c *Channels) left(m *memory) time.Duration {
	left := 2 * retryLongest
	for _, wanted := range c.Events {
		if m == nil {
			break
		}
		if ends := m.of(wanted.Module).Expires.Sub(c.Client.Now()); ends > 0 {
			left = min(left, ends)
		}
	}
	return left
}

// channels says how the channels are.
func (c *Channels) channels(m *memory) []ingest.Channel {
	list := make([]ingest.Channel, len(c.Events))
	for i, wanted := range c.Events {
		list[i] = m.of(wanted.Module).channel(c.Account, wanted.Module, c.Client.Now())
	}
	return list
}

// Clock returns Zoho's clock, and asks it something where it has not answered yet.
func (c *Channels) Clock(ctx context.Context, _ string) (*ingest.Clock, error) {
	if c.Client.clock.Known() {
		return &c.Client.clock, nil
	}
	_, err := c.Client.do(ctx, call{method: http.MethodGet, path: "actions/watch", query: url.Values{"page": {"1"}, "per_page": {"1"}}})
	return &c.Client.clock, err
}

func (c *Channels) log() *slog.Logger {
	if c.Log == nil {
		return slog.New(slog.DiscardHandler)
	}
	return c.Log
}
