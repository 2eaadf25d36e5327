package bridge

import (
	"context"
	"sync"
	"time"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/config"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/status"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/terminal"
)

// reportTimeout bounds how long each part may take to answer. Those of a remote NATS that is down do not.
const reportTimeout = 2 * time.Second

// report returns how the bridge is now. A part that does not answer in time is in Unknown.
func (p *reporter) report(ctx context.Context) status.Report {
	ctx, cancel := context.WithTimeout(ctx, reportTimeout)
	defer cancel()
	r := status.Report{
		At: time.Now().UTC(), Version: config.Release, Started: p.started, Durability: p.store.Durability(), Stream: p.settings.Stream,
		Rates: p.rates.Last(), Sources: p.sources(), Records: recordsKept(p.records), Certificates: p.certificates(), Disk: p.disk(), Clocks: p.clocks(),
	}
	parts := []func(context.Context, *status.Report) error{p.readiness, p.streams, p.consumers, p.subscriptions} // each has fields of its own
	failures := make([]error, len(parts))
	var all sync.WaitGroup
	for i, part := range parts {
		all.Go(func() { failures[i] = part(ctx, &r) })
	}
	all.Wait()
	for _, err := range failures {
		if err != nil {
			r.Unknown = append(r.Unknown, terminal.Plainly(err))
		}
	}
	p.beside(&r)
	r.Conclude()
	return r
}

// readiness reports whether callbacks can be stored, and whether they are forwarded.
func (p *reporter) readiness(ctx context.Context, r *status.Report) error {
	now := p.store.Status(ctx)
	r.Reason, r.Warnings = p.health.notReady(ctx), now.Warnings
	if r.Ready = r.Reason == ""; !now.Forwards {
		return nil
	}
	r.Remote, r.Journal = status.Forwarding, &status.Journal{Pending: now.Pending}
	if now.Interrupted != nil {
		r.Remote = terminal.Plainly(now.Interrupted)
	}
	if now.Pending != nil && *now.Pending > 0 && !now.Oldest.IsZero() {
		r.Journal.Waits = &now.Oldest
	}
	return nil
}
