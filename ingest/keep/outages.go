package keep

import (
	"context"
	"slices"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
)

// noteOutage remembers the last moment at which callbacks could be taken. If that was some time ago, the time since becomes a gap;
// also a short time, if this process has just begun, which does not know why. The gap is stored first: if the process ends in between, it
// is noted twice.
func (k *repairer) noteOutage(ctx context.Context) error {
	if k.Lister == nil || !k.ready(ctx) {
		return nil
	}
	now, before := time.Now().UTC(), k.lastReady
	k.lastReady = now
	if k.Watcher == nil { // which will add no channels
		if channels, err := loadChannels(ctx, k.shared, k.CRM); err != nil || len(channels) == 0 {
			return err
		}
	}
	r, _, err := repairsOf(k.shared, k.CRM, 0).Load(ctx)
	if err != nil {
		return err
	}
	since := r.Sure
	if before.After(since) {
		since = before // callbacks were accepted while the state was unreachable
	}
	if !r.Sure.IsZero() && (now.Sub(since) > outage || before.IsZero()) {
		added, err := k.addAll(ctx, "", interval{since, now}, "the bridge could not accept callbacks")
		if err != nil {
			return err
		}
		if added > 0 {
			k.log.Warn("callbacks could not be accepted; reading from the CRM what changed meanwhile", "since", since, "until", now)
		}
	}
	return k.change(ctx, 0, func(r *repairs) { r.Sure = now })
}

// noteMissed makes a gap of the time in which callbacks were refused.
func (k *repairer) noteMissed(ctx context.Context) {
	for account, missed := range k.missed.take(k.Key()) {
		if k.Lister == nil {
			return
		}
		added, err := k.addAll(ctx, account, missed, "callbacks were refused")
		log := k.log.With("account", account, "since", missed.first, "until", missed.last)
		switch {
		case err != nil:
			k.missed.add(k.Key(), account, missed) // it is tried again at the next look
		case added > 0:
			log.Warn("callbacks were refused; reading from the CRM what changed meanwhile")
		default:
			log.Warn("callbacks were refused; the bridge keeps no subscription of their modules, and repairs nothing: unless the CRM repeats them, run a backfill")
		}
	}
}

// addAll adds a gap for each module of an account's channels, and returns how many; an empty account stands for all.
func (k *repairer) addAll(ctx context.Context, account string, s interval, why string) (added int, err error) {
	channels, err := loadChannels(ctx, k.shared, k.CRM)
	if err != nil {
		return 0, err
	}
	if !slices.ContainsFunc(channels, func(c ingest.Channel) bool { return c.Account == account }) {
		account = "" // the callback named none, or one by another name
	}
	gaps := map[int][]job{} // by shard
	for _, channel := range channels {
		if channel.Queued || channel.State == "disabled" || account != "" && account != channel.Account {
			continue
		}
		for _, module := range channel.Modules {
			gap := ingest.Gap{Account: channel.Account, Module: module, Since: s.first.UTC(), Until: s.last.UTC()}
			shard := shardOf(channel.Account, len(k.Accounts))
			gaps[shard] = append(gaps[shard], job{Gap: gap, Ours: true, Why: why})
			added++
		}
	}
	for shard, jobs := range gaps {
		if err := k.addTo(ctx, shard, jobs...); err != nil {
			return 0, err
		}
	}
	return added, nil
}

// addTo adds jobs to a shard.
func (k *repairer) addTo(ctx context.Context, shard int, jobs ...job) error {
	if shard > 0 { // first, so that nobody overlooks the shard
		if err := k.change(ctx, 0, func(r *repairs) { r.Sharded = true }); err != nil {
			return err
		}
	}
	return k.change(ctx, shard, func(r *repairs) {
		for _, one := range jobs {
			r.add(one, k.settle)
		}
	})
}

// note remembers a gap of a Watcher or a Drainer until it is repaired.
func (k *repairer) note(ctx context.Context, gap ingest.Gap) error {
	if k.Lister == nil {
		return k.noteLost(ctx, gap)
	}
	err := k.addTo(ctx, shardOf(gap.Account, len(k.Accounts)), job{Gap: gap, Why: "no subscription was alive"})
	if err == nil {
		k.log.Warn("a subscription was not alive; reading from the CRM what changed meanwhile", "account", gap.Account, "module", gap.Module, "since", gap.Since, "until", gap.Until)
	}
	return err
}

// noteLost remembers a gap that cannot be repaired, because the bridge has no credentials.
func (k *repairer) noteLost(ctx context.Context, gap ingest.Gap) error {
	k.log.Error("changes may be lost: the bridge has no credentials to read them from the CRM", "account", gap.Account, "module", gap.Module, "since", gap.Since, "until", gap.Until)
	lost := job{Gap: gap, Why: "no subscription was alive", Noted: time.Now().UTC()}
	added := false
	err := k.change(ctx, shardOf(gap.Account, len(k.Accounts)), func(r *repairs) {
		added = r.Closed.add(lost.closedAs("the bridge has no credentials to read the CRM's records"))
	})
	if err == nil && added {
		k.metrics.closed(k.Provider, unrepaired)
	}
	return err
}
