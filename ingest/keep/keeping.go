package keep

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/retry"
)

// keeping does what is due for one CRM.
type keeping struct {
	*Keeper
	repairer
	claim   *claim
	next    time.Time        // of Watch
	shown   []ingest.Channel // in the metrics
	woken   string           // the last Wake that was seen
	drained time.Time
}

func newKeeping(k *Keeper, kept *ingest.CRM) *keeping {
	return &keeping{
		Keeper: k, claim: &claim{store: k.State.Shared, key: "claim." + kept.Key(), owner: k.Replica},
		repairer: repairer{
			CRM: kept, shared: k.State.Shared, accept: k.acceptOf(kept), ready: k.Ready, settle: settleOf(kept), missed: &k.missed, clocks: &k.clocks,
			metrics: k.Metrics, log: k.Log.With("source", kept.Key()),
		},
	}
}

// acceptOf returns what accepts changes of a CRM's org.
func (k *Keeper) acceptOf(crm *ingest.CRM) ingest.Accept {
	return func(ctx context.Context, changes []ingest.Change) ([]ingest.Ack, error) {
		for i := range changes {
			changes[i].Org = crm.Org
		}
		return k.Accept(ctx, changes)
	}
}

// run waits for the claim, and does what is due while it holds it, until ctx ends.
func (k *keeping) run(ctx context.Context) {
	var said problem
	for {
		k.noteMissed(ctx)
		held, err := k.claim.hold(ctx)
		if held {
			k.keep(ctx)
		} else {
			said.log(k.log, k.Explain(err))
		}
		if !held && err == nil { // another replica shows them
			k.show(nil)
			k.Metrics.forget(k.CRM)
		}
		if retry.Sleep(ctx, keepEvery) != nil {
			break
		}
	}
	last, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushFor)
	defer cancel()
	_ = k.claim.release(last) // otherwise it expires
}

// keep does what is due until ctx ends or the claim is lost. Watch, Drain and repairs do not wait for one another.
func (k *keeping) keep(ctx context.Context) {
	k.next = time.Time{} // another replica may have left gaps
	ctx, lose := context.WithCancel(ctx)
	defer lose()
	var all sync.WaitGroup
	all.Go(func() {
		defer lose()
		k.renew(ctx)
	})
	for _, do := range k.duties() {
		all.Go(func() {
			var said problem
			for {
				if err := do(ctx); ctx.Err() == nil {
					said.log(k.log, k.Explain(err))
				}
				if retry.Sleep(ctx, keepEvery) != nil {
					return
				}
			}
		})
	}
	all.Wait()
}

// duties are what may be due.
func (k *keeping) duties() (all []func(context.Context) error) {
	if k.Watcher != nil {
		all = append(all, k.watchWhenDue)
	}
	if k.Drainer != nil {
		all = append(all, k.drainWhenDue)
	}
	if k.Lister != nil {
		all = append(all, k.repairWhenReady)
	}
	return all
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

// problem is the last one that was logged.
type problem string

// log logs a problem when it changes.
func (p *problem) log(log *slog.Logger, err error) {
	var text problem
	if err != nil {
		text = problem(err.Error())
	}
	if text != *p && text != "" {
		log.Warn("keeping subscriptions, queues and gaps failed; it is retried", "error", string(text))
	}
	*p = text
}

// repairWhenReady continues with the gaps that are due, if what is read can be stored.
func (k *keeping) repairWhenReady(ctx context.Context) error {
	if !k.ready(ctx) {
		return nil
	}
	return k.repair(ctx)
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
	return k.Drainer.Drain(ctx, k.State.OfOrg(k.Provider, k.Org), k.accept, k.noter(ctx))
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
	if watched.Channels == nil {
		return err
	}
	k.show(watched.Channels)
	return errors.Join(err, k.Remember(ctx, k.CRM, watched.Channels))
}

// show shows channels in the metrics, and those that were shown no more.
func (k *keeping) show(channels []ingest.Channel) {
	k.Metrics.expiry(k.shown, channels)
	k.shown = channels
}
