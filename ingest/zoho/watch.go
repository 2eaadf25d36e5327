package zoho

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
)

// How often things are done.
const (
	reconcileEvery = 24 * time.Hour
	retryLongest   = 10 * time.Minute // between failing calls of Watch
	retryShortest  = 10 * time.Second // the same, where a channel is about to end
	maxUnanswered  = 3                // requests without an answer; after that the rest waits for the next call
)

// Watch implements ingest.Watcher. Each gap is remembered in state with what is known of its channel, until it is noted.
func (c *Channels) Watch(ctx context.Context, state ingest.State, note func(ingest.Gap) error) (ingest.Watched, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	m, err := loadCoverages(ctx, state.Shared, c.Account)
	if err != nil {
		return ingest.Watched{Next: c.next(nil, true)}, err
	}
	listed, errs := listing{}, []error(nil)
	if since := time.Since(c.reconciled); c.reconciled.IsZero() || since >= reconcileEvery || since < 0 {
		if listed, err = c.list(ctx); err != nil {
			errs = append(errs, err)
		}
	}
	errs = append(errs, c.maintainAll(ctx, m, listed)...)
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
func (c *Channels) noteGaps(ctx context.Context, m *coverages, note func(ingest.Gap) error) error {
	noted := false
	for _, wanted := range c.Events {
		kept := m.of(wanted.Module)
		for _, gap := range kept.Gaps {
			gap.Account, gap.Module = c.Account, wanted.Module
			if err := note(gap); err != nil {
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

// maintainAll maintains the channel of each module, the most urgent first.
func (c *Channels) maintainAll(ctx context.Context, m *coverages, listed listing) (errs []error) {
	wanted := slices.Clone(c.Events)
	slices.SortStableFunc(wanted, func(a, b ingest.ModuleEvents) int { return m.of(a.Module).Expires.Compare(m.of(b.Module).Expires) })
	unanswered := 0
	for _, w := range wanted {
		err := c.maintain(ctx, m, w, listed, false)
		if err == nil {
			continue
		}
		errs = append(errs, fmt.Errorf("channel of %s: %w", w.Module, err))
		var refused *apiError
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

// next returns when to call Watch again, by our own clock.
func (c *Channels) next(m *coverages, failed bool) time.Time {
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
			wait = min(wait, kept.due().Sub(c.Client.now()))
		}
	}
	return now.Add(max(wait, time.Second))
}

// left returns how long the live channel that expires first has left, at most twice retryLongest.
func (c *Channels) left(m *coverages) time.Duration {
	left := 2 * retryLongest
	for _, wanted := range c.Events {
		if m == nil {
			break
		}
		if ends := m.of(wanted.Module).Expires.Sub(c.Client.now()); ends > 0 {
			left = min(left, ends)
		}
	}
	return left
}
