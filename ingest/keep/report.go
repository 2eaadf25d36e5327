package keep

import (
	"context"
	"slices"
	"sync"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
)

// Repair is a gap, and what became of it.
type Repair struct {
	ingest.Gap
	Cause   string    // why callbacks were missed
	Noted   time.Time // zero: it was noted by an older version
	Closed  time.Time // when it was read from the CRM, or given up; zero: it is open
	Records int       // read from the CRM so far
	Problem string    // why it could not be read at the last attempt, or, where it is closed, at all; empty: nothing failed
}

// Repairs are the gaps of a CRM's org: the open ones, and those that were closed within the last days, the newest first.
type Repairs struct {
	Open, Closed []Repair

	last map[string]time.Time // when a module was last repaired, by account and module
}

// Last returns when a gap of one of a channel's modules was last repaired; zero: none was.
func (r Repairs) Last(channel ingest.Channel) (last time.Time) {
	for _, module := range channel.Modules {
		if at := r.last[channel.Account+"/"+module]; at.After(last) {
			last = at
		}
	}
	return last
}

// Repairs returns the gaps of a CRM, as the replicas share them.
func (k *Keeper) Repairs(ctx context.Context, crm *ingest.CRM) (Repairs, error) {
	all := Repairs{last: map[string]time.Time{}}
	first, _, err := repairsOf(k.State.Shared, crm, 0).Load(ctx)
	if err != nil {
		return all, err
	}
	all.add(first)
	if first.Sharded {
		err = k.addShards(ctx, crm, &all)
	}
	slices.SortStableFunc(all.Open, func(a, b Repair) int { return a.Noted.Compare(b.Noted) })
	slices.SortStableFunc(all.Closed, func(a, b Repair) int { return b.Closed.Compare(a.Closed) })
	return all, err
}

// addShards adds the shards beside the first, several at once.
func (k *Keeper) addShards(ctx context.Context, crm *ingest.CRM, to *Repairs) (failed error) {
	var mu sync.Mutex
	var all sync.WaitGroup
	for first := range repairers {
		all.Go(func() {
			for shard := 1 + first; shard <= shards; shard += repairers {
				r, _, err := repairsOf(k.State.Shared, crm, shard).Load(ctx)
				mu.Lock()
				if to.add(r); err != nil {
					failed = err
				}
				mu.Unlock()
			}
		})
	}
	all.Wait()
	return failed
}

func (r *Repairs) add(shard repairs) {
	for _, one := range shard.Jobs {
		if !one.Second { // it was read, and is read once more for what the CRM lists late
			r.Open = append(r.Open, Repair{Gap: one.Gap, Cause: one.Why, Noted: one.Noted, Records: one.Made, Problem: one.Failed})
		}
	}
	for _, one := range shard.Closed {
		r.Closed = append(r.Closed, Repair{Gap: one.Gap, Cause: one.Why, Noted: one.Noted, Closed: one.At, Records: one.Made, Problem: one.Unrepaired})
	}
	for module, at := range shard.Done {
		r.last[module] = at
	}
}
