package ingest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"
)

// Keeper does what sources do by themselves: it keeps their subscriptions, empties their queues and repairs gaps. Of all
// replicas one does it for a source at a time. Set the fields once.
type Keeper struct {
	Kept    []Kept
	State   State
	Accept  Accept
	Ready   func(context.Context) bool // callbacks can be made safe now
	Replica string                     // this process among the replicas; unique
	Metrics *KeeperMetrics
	Log     *slog.Logger
}

// Kept is what a CRM's account lets the bridge do by itself; nil where it does not.
type Kept struct {
	Label   string // such as "zoho"; names its state
	Watcher Watcher
	Lister  Lister
	Drainer Drainer
}

const (
	keepEvery  = 10 * time.Second // between two looks of a replica at its claims
	watchRetry = time.Minute      // after a Watch that failed in part
	drainEvery = 15 * time.Second
)

// Run keeps until ctx ends.
func (k *Keeper) Run(ctx context.Context) {
	var all sync.WaitGroup
	for _, kept := range k.Kept {
		all.Go(func() { (&keeping{Keeper: k, kept: kept}).run(ctx) })
	}
	all.Wait()
}

// keeping is one source's.
type keeping struct {
	*Keeper
	kept    Kept
	claim   claim
	next    time.Time // of Watch
	drained time.Time
	warned  string // the last problem that was logged
}

func (k *keeping) run(ctx context.Context) {
	k.claim = claim{store: k.State.Shared, key: "claim." + k.kept.Label, owner: k.Replica}
	for {
		if err := k.turn(ctx); ctx.Err() == nil {
			k.say(err)
		}
		select {
		case <-time.After(keepEvery):
		case <-ctx.Done():
			last, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
			_ = k.claim.release(last) // it runs out by itself
			cancel()
			return
		}
	}
}

// say logs a problem once for as long as it stays the same.
func (k *keeping) say(err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	if text != k.warned && text != "" {
		k.Log.Warn("keeping the CRM's subscriptions", "source", k.kept.Label, "error", text)
	}
	k.warned = text
}

// turn does what is due.
func (k *keeping) turn(ctx context.Context) error {
	held, err := k.claim.hold(ctx)
	if err != nil || !held {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, claimLife-keepEvery) // never longer than the claim
	defer cancel()
	errs := []error{k.noteOutage(ctx)}
	if k.kept.Watcher != nil && !time.Now().Before(k.next) {
		errs = append(errs, k.watch(ctx))
	}
	if k.kept.Drainer != nil && time.Since(k.drained) >= drainEvery && k.Ready(ctx) {
		k.drained = time.Now()
		errs = append(errs, k.kept.Drainer.Drain(ctx, k.State, k.Accept))
	}
	if k.kept.Lister != nil && k.Ready(ctx) {
		errs = append(errs, k.repair(ctx))
	}
	return errors.Join(errs...)
}

func (k *keeping) watch(ctx context.Context) error {
	watched, err := k.kept.Watcher.Watch(ctx, k.State)
	k.next = watched.Next
	if err != nil && k.next.After(time.Now().Add(watchRetry)) || k.next.IsZero() {
		k.next = time.Now().Add(watchRetry)
	}
	for _, channel := range watched.Channels {
		k.Metrics.expiry(channel)
	}
	for _, gap := range watched.Gaps {
		err = errors.Join(err, k.note(ctx, gap, "no subscription was alive"))
	}
	return errors.Join(err, k.remember(ctx, watched.Channels))
}

// remember keeps how the channels are, for whoever asks any replica.
func (k *keeping) remember(ctx context.Context, channels []Channel) error {
	value, err := json.Marshal(channels)
	if err != nil {
		return err
	}
	return put(ctx, k.State.Shared, channelsKey(k.kept.Label), value)
}

func channelsKey(label string) string { return "channels." + label }

// Channels returns how all channels are, as the replica that keeps them last saw them.
func (k *Keeper) Channels(ctx context.Context) ([]Channel, error) {
	var all []Channel
	for _, kept := range k.Kept {
		value, _, err := k.State.Shared.Load(ctx, channelsKey(kept.Label))
		if err != nil {
			return all, err
		}
		var channels []Channel
		if value != nil {
			if err := json.Unmarshal(value, &channels); err != nil {
				return all, fmt.Errorf("state of %s: %w", kept.Label, err)
			}
		}
		all = append(all, channels...)
	}
	return all, nil
}

// put stores a value whatever stands there: only the holder of the claim writes it.
func put(ctx context.Context, store Store, key string, value []byte) error {
	_, revision, err := store.Load(ctx, key)
	if err != nil {
		return err
	}
	_, err = store.Save(ctx, key, value, revision)
	return err
}
