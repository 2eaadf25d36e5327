package ingest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
)

// job is a gap that is being repaired.
type job struct {
	Gap
	Why    string
	Cursor string
	Made   int // records made safe so far
	Tried  time.Time
	Fails  int
}

// The state of a source's repairs.
type repairs struct {
	Sure time.Time // until then nothing went unheard for want of a bridge
	Jobs []job
}

const (
	// outage is how long no replica must have been able to take callbacks for their loss to be repaired.
	outage = time.Minute
	// margin is what a span is widened by on both sides: the clocks of the CRM and ours differ.
	margin = time.Minute
	// maxJobs bounds the gaps that wait; beyond, they grow together.
	maxJobs = 200
	// retryRepair and retryRepairLast are the waits after a repair that failed, doubling.
	retryRepair     = time.Minute
	retryRepairLast = time.Hour
)

func (k *keeping) repairsKey() string { return "repairs." + k.kept.Label }

func (k *keeping) loadRepairs(ctx context.Context) (r repairs, err error) {
	value, _, err := k.State.Shared.Load(ctx, k.repairsKey())
	if err == nil && value != nil {
		err = json.Unmarshal(value, &r)
	}
	if err != nil {
		return r, fmt.Errorf("repairs of %s: %w", k.kept.Label, err)
	}
	return r, nil
}

func (k *keeping) saveRepairs(ctx context.Context, r repairs) error {
	value, err := json.Marshal(r)
	if err == nil {
		err = put(ctx, k.State.Shared, k.repairsKey(), value)
	}
	if err != nil {
		return fmt.Errorf("repairs of %s: %w", k.kept.Label, err)
	}
	return nil
}

// noteOutage remembers the last moment at which callbacks could be taken. Where that was long ago, everything since may
// have gone unheard.
func (k *keeping) noteOutage(ctx context.Context) error {
	if k.kept.Lister == nil || !k.Ready(ctx) {
		return nil
	}
	r, err := k.loadRepairs(ctx)
	if err != nil {
		return err
	}
	now := time.Now().UTC()
	if since := r.Sure; !since.IsZero() && now.Sub(since) > outage {
		channels, err := k.Channels(ctx)
		if err != nil {
			return err
		}
		for _, channel := range channels {
			for _, module := range channel.Modules {
				r.add(Gap{Account: channel.Account, Module: module, Since: since, Until: now}, "the bridge could not take callbacks")
			}
		}
		k.Log.Warn("callbacks could not be taken: what changed meanwhile is read from the CRM", "source", k.kept.Label, "since", since, "until", now)
	}
	r.Sure = now
	return k.saveRepairs(ctx, r)
}

// note remembers a gap until it is repaired.
func (k *keeping) note(ctx context.Context, gap Gap, why string) error {
	k.Log.Warn("changes may have gone unheard", "source", k.kept.Label, "account", gap.Account, "module", gap.Module, "since", gap.Since, "until", gap.Until, "why", why)
	r, err := k.loadRepairs(ctx)
	if err != nil {
		return err
	}
	r.add(gap, why)
	return k.saveRepairs(ctx, r)
}

// add adds a gap, grown together with one of the same module that it touches and that nobody has begun to repair.
func (r *repairs) add(gap Gap, why string) {
	gap.Since, gap.Until = gap.Since.Add(-margin), gap.Until.Add(margin)
	for i := range r.Jobs {
		other := &r.Jobs[i]
		near := !gap.Since.After(other.Until) && !other.Since.After(gap.Until)
		if other.Account != gap.Account || other.Module != gap.Module || other.Cursor != "" || !near && len(r.Jobs) < maxJobs {
			continue
		}
		if gap.Since.Before(other.Since) {
			other.Since = gap.Since
		}
		if gap.Until.After(other.Until) {
			other.Until = gap.Until
		}
		return
	}
	r.Jobs = append(r.Jobs, job{Gap: gap, Why: why})
}

// repair reads one gap that is due, as far as the time suffices; the next turn goes on.
func (k *keeping) repair(ctx context.Context) error {
	r, err := k.loadRepairs(ctx)
	if err != nil {
		return err
	}
	now := time.Now()
	due := slices.IndexFunc(r.Jobs, func(j job) bool { return !now.Before(j.Tried.Add(j.wait())) && now.After(j.Until) })
	if due < 0 {
		return nil
	}
	j := &r.Jobs[due]
	j.Tried = now.UTC()
	query := Query{Module: j.Module, Since: j.Since, Until: j.Until, Origin: Repair, Cursor: j.Cursor}
	for page, err := range k.kept.Lister.Changed(ctx, query) {
		if err == nil && len(page.Changes) > 0 {
			_, err = k.Accept(ctx, page.Changes)
		}
		if err != nil {
			if ctx.Err() == nil {
				j.Fails++
			}
			return fmt.Errorf("repair %s from %s: %w", j.Module, j.Since.Format(time.RFC3339), errors.Join(err, k.saveRepairs(context.WithoutCancel(ctx), r)))
		}
		j.Made += len(page.Changes)
		j.Cursor, j.Fails = page.Cursor, 0
		k.Metrics.records(page.Changes)
		if err := k.saveRepairs(ctx, r); err != nil {
			return err
		}
	}
	k.Log.Info("repaired", "source", k.kept.Label, "account", j.Account, "module", j.Module, "since", j.Since, "until", j.Until, "records", j.Made)
	r.Jobs = slices.Delete(r.Jobs, due, due+1)
	return k.saveRepairs(ctx, r)
}

// wait is how long a repair that failed waits before it is tried again.
func (j job) wait() time.Duration {
	if j.Fails == 0 {
		return 0
	}
	return min(retryRepair<<min(j.Fails-1, 10), retryRepairLast)
}
