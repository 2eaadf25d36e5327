package main

import (
	"context"
	"fmt"

	"github.com/crm-bridge/crm-bridge/publish"
)

// openDirect has a remote NATS acknowledge events itself. It need not be reachable now: until it is, callbacks are answered
// 503. Where it is, its streams must fit.
func (b *bridge) openDirect(ctx context.Context) (err error) {
	s := b.settings
	if b.conn, err = s.NATS.Remote().Await(b.log); err != nil {
		return s.NATS.Explain(err)
	}
	b.published = publish.NewMetrics(b.registry)
	b.upkeep = &publish.Upkeep{Conn: b.conn, Ensure: b.ensureRemote, Log: b.log}
	b.publisher = &publish.Publisher{
		Conn: b.conn, Stream: s.Stream, Prefix: s.SubjectPrefix, Mode: s.EventMode, AllIDs: true, Metrics: b.published, Upkeep: b.upkeep,
	}
	b.quarantine = &publish.Quarantine{
		Shelf: publish.Shelf{Stream: b.quarantineStream(), Reach: b.local}, Conn: b.conn, Prefix: s.SubjectPrefix, Upkeep: b.upkeep,
	}
	for _, journal := range b.leftJournals() {
		b.log.Error(journal)
	}
	if err := b.upkeep.Start(ctx); b.takesAPerson(err) {
		return err
	}
	return nil
}

// startUpkeep makes sure of the remote's streams until ctx ends, and closes done then; only direct delivery needs it.
func (b *bridge) startUpkeep(ctx context.Context) (done chan struct{}) {
	done = make(chan struct{})
	go func() {
		defer close(done)
		if b.upkeep != nil {
			b.upkeep.Run(ctx)
		}
	}()
	return done
}

// remoteError returns an error of the remote NATS in plain words, with the variable that names it; nil for nil.
func (b *bridge) remoteError(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("BRIDGE_NATS_URL: %w", publish.Plain(err, b.settings.NATS.URL))
}
