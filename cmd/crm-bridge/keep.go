package main

import (
	"context"
	"crypto/rand"
	"slices"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/datadir"
	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/keep"
	"github.com/crm-bridge/crm-bridge/publish"
)

// openKeeper opens what the bridge does by itself with the CRMs' APIs; where none is configured it does nothing.
func (b *bridge) openKeeper(ctx context.Context) error {
	kept := slices.DeleteFunc(slices.Clone(b.crms), func(crm *ingest.CRM) bool { return !crm.Keeps() })
	if len(kept) == 0 {
		return nil
	}
	state := sharedState(b.settings, b.local)
	key, replica := b.settings.StateKey, rand.Text()
	if b.forwarder != nil { // replicas share what the remote holds
		state.Reach = b.forwarder.Reach
	}
	if b.settings.Embedded() {
		replica = "embedded" // no other process can hold its folder, so a claim that a kill left behind is its own
		commit, err := b.openStateCommitter(ctx, state)
		if err != nil {
			return err
		}
		state.Commit = commit
		if key == "" {
			if key, err = b.madeSecret(datadir.StateSecret); err != nil {
				return err
			}
		}
	}
	if key == "" {
		b.log.Warn("BRIDGE_STATE_KEY is not set: access tokens are not shared with other replicas, and refresh tokens that work only once are lost at the end of this process")
	}
	shared, err := openState(state, key, b.log)
	if err != nil {
		return err
	}
	b.shared.open(shared)
	b.keeper = &keep.Keeper{
		CRMs: kept, State: shared, Accept: b.accept, Replica: replica, Metrics: keep.NewKeeperMetrics(b.registry), Log: b.log,
		Ready: func(ctx context.Context) bool { return b.notReady(ctx) == "" },
	}
	return nil
}

// wake has subscriptions looked after soon, as after an installation.
func (b *bridge) wake() {
	ctx, cancel := context.WithTimeout(context.Background(), remoteTimeout)
	defer cancel()
	if err := b.keeper.Wake(ctx); err != nil {
		b.log.Warn("what an installation needs is done later", "error", err)
	}
}

// openStateCommitter makes the bucket, and returns what brings it to the disk; nil where the server does that.
func (b *bridge) openStateCommitter(ctx context.Context, state *publish.State) (func(context.Context) error, error) {
	if err := state.Open(ctx); err != nil || !b.groupCommit {
		return nil, err
	}
	committer, err := b.server.Committer("KV_"+state.Bucket, nil)
	if err != nil {
		return nil, err
	}
	b.committers = append(b.committers, committer)
	return committer.CommitAll, nil // a value takes the place of an older one, somewhere inside
}

// startKeeper keeps until ctx ends, and closes done then.
func (b *bridge) startKeeper(ctx context.Context) (done chan struct{}) {
	done = make(chan struct{})
	go func() {
		defer close(done)
		if b.keeper != nil {
			b.keeper.Run(ctx)
		}
	}()
	return done
}
