// Package keep does what the bridge does by itself with a CRM's API: it keeps subscriptions alive, empties queues, and reads what
// was missed. One replica at a time does it for an org of a CRM. An org has its own state, under CRM.Key.
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
	"github.com/crm-bridge/crm-bridge/ingest/retry"
)

// Keeper keeps the subscriptions of CRMs alive, empties their queues and repairs gaps. Set the fields once.
type Keeper struct {
	CRMs    []*ingest.CRM
	State   ingest.State
	Accept  ingest.Accept
	Ready   func(context.Context) bool // reports whether callbacks can be made safe now
	Replica string                     // unique among the replicas
	Metrics *KeeperMetrics
	Log     *slog.Logger

	missed missed
}

// Missed notes that a callback of a CRM.Key was refused with 503 or 429: what it reported is lost, unless it is read from the CRM.
func (k *Keeper) Missed(key string, at time.Time) {
	k.missed.add(key, interval{at, at})
}

// Wake has the Watch of a CRM called soon, by whichever replica holds the claim, as after an installation.
func (k *Keeper) Wake(ctx context.Context, crm *ingest.CRM) error {
	_, err := k.wake(crm).Update(ctx, func(word *string) error {
		*word = rand.Text()
		return nil
	})
	return err
}

// wake is a word that changes with each Wake.
func (k *Keeper) wake(crm *ingest.CRM) rest.Value[string] {
	return rest.Value[string]{Store: k.State.Shared, Key: "wake." + crm.Key(), Lenient: true}
}

const (
	keepEvery  = 5 * time.Second // between two checks of what is due
	watchRetry = time.Minute     // after a failed Watch that names no time
	drainEvery = 15 * time.Second
)

// Run keeps until ctx ends. Call Flush afterwards.
func (k *Keeper) Run(ctx context.Context) {
	var all sync.WaitGroup
	for _, kept := range k.CRMs {
		all.Go(func() { newKeeping(k, kept).run(ctx) })
	}
	all.Wait()
}

// keeping does what is due for one CRM.
type keeping struct {
	*Keeper
	repairer
	claim   *claim
	next    time.Time // of Watch
	woken   string    // the last Wake that was seen
	drained time.Time
	warned  string // the last problem that was logged
}

func newKeeping(k *Keeper, kept *ingest.CRM) *keeping {
	return &keeping{
		Keeper: k, claim: &claim{store: k.State.Shared, key: "claim." + kept.Key(), owner: k.Replica},
		repairer: repairer{
			CRM: kept, shared: k.State.Shared, accept: k.Accept, ready: k.Ready, settle: settleOf(kept), missed: &k.missed,
			metrics: k.Metrics, log: k.Log.With("source", kept.Key()),
		},
	}
}

// run waits for the claim, and does what is due while it holds it, until ctx ends.
func (k *keeping) run(ctx context.Context) {
	for {
		k.noteMissed(ctx)
		held, err := k.claim.hold(ctx)
		if held {
			k.keep(ctx)
		} else {
			k.say(err)
		}
		if retry.Sleep(ctx, keepEvery) != nil {
			break
		}
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushFor)
	defer cancel()
	_ = k.claim.release(last) // otherwise it expires
}

// flushFor bounds what is stored at the end.
const flushFor = time.Second

// Flush stores what Missed was called for, so that it is repaired after the next start, or by another replica. Call it when Missed
// is called no more.
func (k *Keeper) Flush(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, flushFor)
	defer cancel()
	for _, kept := range k.CRMs {
		newKeeping(k, kept).noteMissed(ctx)
	}
}

// keep does what is due until ctx ends or the claim is lost.
func (k *keeping) keep(ctx context.Context) {
	k.next = time.Time{} // another replica may have left gaps
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
		if retry.Sleep(ctx, keepEvery) != nil {
			break
		}
	}
	lose()
	<-renewing
}

// renew renews the claim, and stores that callbacks can be accepted, until ctx ends or the claim is lost.
func (k *keeping) renew(ctx context.Context) {
	for renewed := time.Now(); ; {
		k.noteMissed(ctx)
		held, err := k.claim.hold(ctx)
		switch {
		case held:
			renewed = time.Now()
			if err := k.noteOutage(ctx); err != nil && ctx.Err() == nil {
				k.log.Warn("the time of the last accepted callbacks cannot be stored: an outage now would not be repaired", "error", err)
			}
		case err == nil || time.Since(renewed) > claimLife-2*keepEvery:
			return
		}
		if retry.Sleep(ctx, keepEvery) != nil {
			return
		}
	}
}

// say logs a problem when it changes.
func (k *keeping) say(err error) {
	text := ""
	if err = k.Explain(err); err != nil {
		text = err.Error()
	}
	if text != k.warned && text != "" {
		k.log.Warn("keeping subscriptions, queues and gaps failed; it is retried", "error", text)
	}
	k.warned = text
}

// turn does what is due.
func (k *keeping) turn(ctx context.Context) error {
	var errs []error
	if k.Watcher != nil {
		errs = append(errs, k.watchWhenDue(ctx))
	}
	if k.Drainer != nil {
		errs = append(errs, k.drainWhenDue(ctx))
	}
	if k.Lister != nil && k.ready(ctx) {
		errs = append(errs, k.repair(ctx))
	}
	return errors.Join(errs...)
}

// watchWhenDue calls Watch if it is time, or after a Wake.
func (k *keeping) watchWhenDue(ctx context.Context) error {
	word, _, err := k.wake(k.CRM).Load(ctx)
	if err != nil {
		return err
	}
	if time.Now().Before(k.next) && word == k.woken {
		return nil
	}
	k.woken = word
	return k.watch(ctx)
}

// drainWhenDue calls Drain if it is time.
func (k *keeping) drainWhenDue(ctx context.Context) error {
	if time.Since(k.drained) < drainEvery || !k.ready(ctx) {
		return nil
	}
	k.drained = time.Now()
	return k.Drainer.Drain(ctx, k.State.OfOrg(k.Provider, k.Org), k.Accept, k.noter(ctx))
}

// noter returns what stores the gaps that a Watcher or a Drainer finds.
func (k *keeping) noter(ctx context.Context) func(ingest.Gap) error {
	return func(gap ingest.Gap) error { return k.note(ctx, gap) }
}

func (k *keeping) watch(ctx context.Context) error {
	watched, err := k.Watcher.Watch(ctx, k.State.OfOrg(k.Provider, k.Org), k.noter(ctx))
	if k.next = watched.Next; k.next.IsZero() || err != nil && k.next.After(time.Now().Add(10*watchRetry)) {
		k.next = time.Now().Add(watchRetry)
	}
	k.Metrics.expiry(watched.Channels)
	if watched.Channels == nil {
		return err
	}
	return errors.Join(err, k.Remember(ctx, k.CRM, watched.Channels))
}

// Remember stores how the channels of a CRM are, for all replicas.
func (k *Keeper) Remember(ctx context.Context, crm *ingest.CRM, channels []ingest.Channel) error {
	stored := channelsOf(k.State.Shared, crm)
	stored.Lenient = true // they are replaced
	_, err := stored.Update(ctx, func(all *[]ingest.Channel) error {
		*all = channels
		return nil
	})
	return err
}

// Channels returns how the channels of a CRM are, as the replica that keeps them last saw them.
func (k *Keeper) Channels(ctx context.Context, crm *ingest.CRM) ([]ingest.Channel, error) {
	channels, _, err := channelsOf(k.State.Shared, crm).Load(ctx)
	return channels, err
}

// Repaired returns when a gap of one of a channel's modules was last repaired; zero: none was.
func (k *Keeper) Repaired(ctx context.Context, crm *ingest.CRM, channel ingest.Channel) (last time.Time, err error) {
	r, _, err := repairsOf(k.State.Shared, crm).Load(ctx)
	for _, module := range channel.Modules {
		if at := r.Done[channel.Account+"/"+module]; at.After(last) {
			last = at
		}
	}
	return last, err
}
