// Package keep does what the bridge does by itself with a CRM's API: it keeps subscriptions alive, empties queues, and reads what
// was missed. One replica at a time does it for an org of a CRM. An org has its own state, under CRM.Key.
package keep

import (
	"context"
	"crypto/rand"
	"log/slog"
	"sync"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/rest"
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
	clocks clocks
}

// Missed notes that a callback of a CRM.Key was refused with 503 or 429: what it reported is lost, unless it is read from the CRM. An
// empty account stands for all of the CRM's.
func (k *Keeper) Missed(key, account string, at time.Time) {
	k.missed.add(key, account, interval{at, at})
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

// Remember stores how the channels of a CRM are, for all replicas.
func (k *Keeper) Remember(ctx context.Context, crm *ingest.CRM, channels []ingest.Channel) error {
	return saveChannels(ctx, k.State.Shared, crm, channels)
}

// Channels returns how the channels of a CRM are, as the replica that keeps them last saw them.
func (k *Keeper) Channels(ctx context.Context, crm *ingest.CRM) ([]ingest.Channel, error) {
	return loadChannels(ctx, k.State.Shared, crm)
}

// Clocks returns how far the clocks of CRMs are ahead of ours, where a repair has asked for them since the start.
func (k *Keeper) Clocks() []Ahead { return k.clocks.sorted() }
