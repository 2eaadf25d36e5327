// Package keep does what the bridge does by itself with a CRM's API: it keeps subscriptions alive, empties queues, and reads what
// was missed. Of all replicas one does it for a CRM at a time.
package keep

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"github.com/crm-bridge/crm-bridge/ingest"
	"log/slog"
	"sync"
	"time"
)

// Keeper does what sources do by themselves: it keeps their subscriptions, empties their queues and repairs gaps. Of all
// replicas one does it for a CRM at a time. Set the fields once.
type Keeper struct {
	CRMs    []*ingest.CRM
	State   ingest.State
	Accept  ingest.Accept
	Ready   func(context.Context) bool // callbacks can be made safe now
	Replica string                     // this process among the replicas; unique
	Metrics *KeeperMetrics
	Log     *slog.Logger

	mu     sync.Mutex
	missed map[string]span // callbacks that were refused and of which no gap is made yet, by provider
}

// span is from the first to the last moment at which something happened; zero: it did not.
type span struct{ first, last time.Time }

// Missed notes that a callback was refused with 503 or 429: what it told of is lost, unless it is read from the CRM.
func (k *Keeper) Missed(at time.Time) {
	for _, kept := range k.CRMs {
		k.miss(kept.Provider, span{at, at})
	}
}

// miss adds to what of a CRM is not noted yet.
func (k *Keeper) miss(provider string, more span) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.missed == nil {
		k.missed = map[string]span{}
	}
	if have, ok := k.missed[provider]; ok {
		if have.first.Before(more.first) {
			more.first = have.first
		}
		if have.last.After(more.last) {
			more.last = have.last
		}
	}
	k.missed[provider] = more
}

// takeMissed returns what of a CRM is not noted yet, and forgets it.
func (k *Keeper) takeMissed(provider string) (missed span, ok bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	missed, ok = k.missed[provider]
	delete(k.missed, provider)
	return missed, ok
}

// Wake has every Watch called soon, by whichever replica keeps, as after an installation.
func (k *Keeper) Wake(ctx context.Context) error {
	return put(ctx, k.State.Shared, wakeKey, []byte(rand.Text()))
}

const wakeKey = "wake"

const (
	keepEvery  = 5 * time.Second // between two looks at what is due
	watchRetry = time.Minute     // after a Watch that failed in part and asks for no earlier one
	drainEvery = 15 * time.Second
)

// Run keeps until ctx ends.
func (k *Keeper) Run(ctx context.Context) {
	var all sync.WaitGroup
	for _, kept := range k.CRMs {
		all.Go(func() { newKeeping(k, kept).run(ctx) })
	}
	all.Wait()
}

// keeping is the keeping of one CRM.
type keeping struct {
	*Keeper
	kept    *ingest.CRM
	claim   *claim
	repairs sync.Mutex   // held while the state of repairs is changed
	next    time.Time    // of Watch
	heard   string       // the last Wake
	untold  []ingest.Gap // that Watch told of, and the state does not hold yet
	ready   time.Time    // when callbacks could last be taken, in this process
	drained time.Time
	warned  string // the last problem that was logged
}

func newKeeping(k *Keeper, kept *ingest.CRM) *keeping {
	return &keeping{Keeper: k, kept: kept, claim: &claim{store: k.State.Shared, key: "claim." + kept.Provider, owner: k.Replica}}
}

// run waits until it is this replica's turn, and keeps for as long as it is.
func (k *keeping) run(ctx context.Context) {
	for ctx.Err() == nil {
		k.noteMissed(ctx)
		held, err := k.claim.hold(ctx)
		if held {
			k.keep(ctx)
		} else {
			k.say(err)
		}
		pause(ctx, keepEvery)
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), time.Second)
	defer cancel()
	k.noteMissed(last)
	_ = k.claim.release(last) // it runs out by itself
}

// keep does what is due until ctx ends or the claim is lost.
func (k *keeping) keep(ctx context.Context) {
	k.next = time.Time{} // another replica may know of gaps
	ctx, lose := context.WithCancel(ctx)
	renewing := make(chan struct{})
	go func() {
		defer close(renewing)
		defer lose()
		k.renew(ctx)
	}()
	for ctx.Err() == nil {
		if err := k.turn(ctx); ctx.Err() == nil {
			k.say(err)
		}
		pause(ctx, keepEvery)
	}
	lose()
	<-renewing
}

// renew keeps the claim, and notes that the bridge is there, until ctx ends or the claim is lost.
func (k *keeping) renew(ctx context.Context) {
	for renewed := time.Now(); ctx.Err() == nil; pause(ctx, keepEvery) {
		k.noteMissed(ctx)
		held, err := k.claim.hold(ctx)
		switch {
		case held:
			renewed = time.Now()
			if err := k.noteOutage(ctx); err != nil && ctx.Err() == nil {
				k.Log.Warn("an outage would go unnoticed now", "source", k.kept.Provider, "error", err)
			}
		case err == nil || time.Since(renewed) > claimLife-2*keepEvery:
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
		k.Log.Warn("keeping what the CRM tells", "source", k.kept.Provider, "error", text)
	}
	k.warned = text
}

// turn does what is due.
func (k *keeping) turn(ctx context.Context) error {
	var errs []error
	if k.kept.Watcher != nil {
		errs = append(errs, k.watchWhenDue(ctx))
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

// watchWhenDue calls Watch if it is time, or somebody has called Wake; not before what the last one told of is noted, for it
// would forget that.
func (k *keeping) watchWhenDue(ctx context.Context) error {
	if err := k.noteUntold(ctx); err != nil {
		return err
	}
	word, _, err := k.State.Shared.Load(ctx, wakeKey)
	if err != nil {
		return err
	}
	if time.Now().Before(k.next) && string(word) == k.heard {
		return nil
	}
	k.heard = string(word)
	return k.watch(ctx)
}

func (k *keeping) watch(ctx context.Context) error {
	watched, err := k.kept.Watcher.Watch(ctx, k.State)
	if k.next = watched.Next; k.next.IsZero() || err != nil && k.next.After(time.Now().Add(10*watchRetry)) {
		k.next = time.Now().Add(watchRetry)
	}
	k.Metrics.expiry(watched.Channels)
	k.untold = append(k.untold, watched.Gaps...)
	if failed := k.noteUntold(ctx); failed != nil || watched.Channels == nil {
		return errors.Join(err, failed)
	}
	return errors.Join(err, k.Remember(ctx, k.kept.Provider, watched.Channels))
}

// noteUntold notes the gaps that Watch told of.
func (k *keeping) noteUntold(ctx context.Context) error {
	for len(k.untold) > 0 {
		if err := k.note(ctx, k.untold[0], "no subscription was alive"); err != nil {
			return err
		}
		k.untold = k.untold[1:]
	}
	return nil
}

// Remember keeps how the channels of a CRM are, for whoever asks any replica.
func (k *Keeper) Remember(ctx context.Context, provider string, channels []ingest.Channel) error {
	value, err := json.Marshal(channels)
	if err != nil {
		return err
	}
	return put(ctx, k.State.Shared, channelsKey(provider), value)
}

func channelsKey(provider string) string { return "channels." + provider }

// Channels returns how all channels are, as the replica that keeps them last saw them.
func (k *Keeper) Channels(ctx context.Context) ([]ingest.Channel, error) {
	var all []ingest.Channel
	for _, kept := range k.CRMs {
		channels, err := k.channelsOf(ctx, kept.Provider)
		if err != nil {
			return all, err
		}
		all = append(all, channels...)
	}
	return all, nil
}

func (k *Keeper) channelsOf(ctx context.Context, provider string) (channels []ingest.Channel, err error) {
	value, _, err := k.State.Shared.Load(ctx, channelsKey(provider))
	if err == nil && value != nil {
		err = json.Unmarshal(value, &channels)
	}
	if err != nil {
		return nil, fmt.Errorf("channels of %s: %w", provider, err)
	}
	return channels, nil
}

// put stores a value whatever stands there: only the holder of the claim writes it.
func put(ctx context.Context, store ingest.Store, key string, value []byte) error {
	_, revision, err := store.Load(ctx, key)
	if err != nil {
		return err
	}
	_, err = store.Save(ctx, key, value, revision)
	return err
}

func pause(ctx context.Context, d time.Duration) {
	select {
	case <-time.After(d):
	case <-ctx.Done():
	}
}
