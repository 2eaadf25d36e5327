// Package keep does what the bridge does by itself with a CRM's API: it keeps subscriptions alive, empties queues, and reads what
// was missed. Of all replicas one does it for a CRM at a time.
package keep

import (
	"context"
	"crypto/rand"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/rest"
)

// Keeper does what sources do by themselves: it keeps their subscriptions, empties their queues and repairs gaps. Of all
// replicas one does it for a CRM at a time. Set the fields once.
type Keeper struct {
	Kept    []Kept
	State   ingest.State
	Accept  ingest.Accept
	Ready   func(context.Context) bool // callbacks can be made safe now
	Replica string                     // this process among the replicas; unique
	Settle  time.Duration              // from the end of a gap until what changed in it is read; 0: ten seconds
	Metrics *KeeperMetrics
	Log     *slog.Logger

	mu     sync.Mutex
	missed map[string]span // callbacks that were refused and of which no gap is made yet, by label
}

// span is from the first to the last moment at which something happened; zero: it did not.
type span struct{ first, last time.Time }

// Missed notes that a callback of a provider was refused with 503 or 429: what it reported is lost, unless it is read from the CRM.
func (k *Keeper) Missed(provider string, at time.Time) {
	for _, kept := range k.Kept {
		if kept.Label == provider {
			k.miss(kept.Label, span{at, at})
		}
	}
}

// miss adds to what of a Kept is not noted yet.
func (k *Keeper) miss(label string, more span) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.missed == nil {
		k.missed = map[string]span{}
	}
	if have, ok := k.missed[label]; ok {
		if have.first.Before(more.first) {
			more.first = have.first
		}
		if have.last.After(more.last) {
			more.last = have.last
		}
	}
	k.missed[label] = more
}

// takeMissed returns what of a Kept is not noted yet, and forgets it.
func (k *Keeper) takeMissed(label string) (missed span, ok bool) {
	k.mu.Lock()
	defer k.mu.Unlock()
	missed, ok = k.missed[label]
	delete(k.missed, label)
	return missed, ok
}

// Wake has every Watch called soon, by whichever replica keeps, as after an installation.
func (k *Keeper) Wake(ctx context.Context) error {
	_, err := k.wake().Update(ctx, func(word *string) error {
		*word = rand.Text()
		return nil
	})
	return err
}

// wake is a word that changes with each Wake.
func (k *Keeper) wake() rest.Value[string] {
	return rest.Value[string]{Store: k.State.Shared, Key: "wake", Lenient: true}
}

// Kept is what a CRM lets the bridge do by itself; nil where it does not.
type Kept struct {
	Label   string // its provider, such as "zoho"; names its state
	Watcher ingest.Watcher
	Lister  ingest.Lister
	Drainer ingest.Drainer
	Clock   func(ctx context.Context, account string) (*ingest.Clock, error) // of the CRM, once it has answered; nil: unknown
}

const (
	keepEvery  = 5 * time.Second // between two looks at what is due
	watchRetry = time.Minute     // after a Watch that failed in part and asks for no earlier one
	drainEvery = 15 * time.Second
)

// Run keeps until ctx ends.
func (k *Keeper) Run(ctx context.Context) {
	var all sync.WaitGroup
	for _, kept := range k.Kept {
		all.Go(func() { newKeeping(k, kept).run(ctx) })
	}
	all.Wait()
}

// keeping is the keeping of one CRM.
type keeping struct {
	*Keeper
	kept    Kept
	claim   *claim
	next    time.Time // of Watch
	heard   string    // the last Wake
	ready   time.Time // when callbacks could last be taken, in this process
	drained time.Time
	warned  string // the last problem that was logged
}

func newKeeping(k *Keeper, kept Kept) *keeping {
	return &keeping{Keeper: k, kept: kept, claim: &claim{store: k.State.Shared, key: "claim." + kept.Label, owner: k.Replica}}
}

// run waits until it is this replica's turn, and keeps for as long as it is.
func (k *keeping) run(ctx context.Context) {
	for {
		k.noteMissed(ctx)
		held, err := k.claim.hold(ctx)
		if held {
			k.keep(ctx)
		} else {
			k.say(err)
		}
		if rest.Sleep(ctx, keepEvery) != nil {
			break
		}
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
	for {
		if err := k.turn(ctx); ctx.Err() == nil {
			k.say(err)
		}
		if rest.Sleep(ctx, keepEvery) != nil {
			break
		}
	}
	lose()
	<-renewing
}

// renew keeps the claim, and notes that the bridge is there, until ctx ends or the claim is lost.
func (k *keeping) renew(ctx context.Context) {
	for renewed := time.Now(); ; {
		k.noteMissed(ctx)
		held, err := k.claim.hold(ctx)
		switch {
		case held:
			renewed = time.Now()
			if err := k.noteOutage(ctx); err != nil && ctx.Err() == nil {
				k.Log.Warn("an outage would go unnoticed now", "source", k.kept.Label, "error", err)
			}
		case err == nil || time.Since(renewed) > claimLife-2*keepEvery:
			return
		}
		if rest.Sleep(ctx, keepEvery) != nil {
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
		k.Log.Warn("keeping what the CRM tells", "source", k.kept.Label, "error", text)
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

// watchWhenDue calls Watch if it is time, or somebody has called Wake.
func (k *keeping) watchWhenDue(ctx context.Context) error {
	word, _, err := k.wake().Load(ctx)
	if err != nil {
		return err
	}
	if time.Now().Before(k.next) && word == k.heard {
		return nil
	}
	k.heard = word
	return k.watch(ctx)
}

func (k *keeping) watch(ctx context.Context) error {
	watched, err := k.kept.Watcher.Watch(ctx, k.State, func(gap ingest.Gap) error { return k.note(ctx, gap) })
	if k.next = watched.Next; k.next.IsZero() || err != nil && k.next.After(time.Now().Add(10*watchRetry)) {
		k.next = time.Now().Add(watchRetry)
	}
	k.Metrics.expiry(watched.Channels)
	if watched.Channels == nil {
		return err
	}
	return errors.Join(err, k.Remember(ctx, k.kept.Label, watched.Channels))
}

// Remember keeps how the channels of a Kept are, for whoever asks any replica.
func (k *Keeper) Remember(ctx context.Context, label string, channels []ingest.Channel) error {
	_, err := k.channelsOf(label).Update(ctx, func(all *[]ingest.Channel) error {
		*all = channels
		return nil
	})
	return err
}

func (k *Keeper) channelsOf(label string) rest.Value[[]ingest.Channel] {
	return rest.Value[[]ingest.Channel]{Store: k.State.Shared, Key: "channels." + label, Lenient: true}
}

// Channels returns how all channels are, as the replica that keeps them last saw them.
func (k *Keeper) Channels(ctx context.Context) ([]ingest.Channel, error) {
	var all []ingest.Channel
	for _, kept := range k.Kept {
		channels, _, err := k.channelsOf(kept.Label).Load(ctx)
		if err != nil {
			return all, err
		}
		all = append(all, channels...)
	}
	return all, nil
}
