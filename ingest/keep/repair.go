package keep

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
)

const (
	// outage is how long no replica must have been able to take callbacks for their loss to be repaired; it is looked at every
	// five seconds.
	outage = 15 * time.Second
	// repairFor is how long a repair may go on before what else is due has its turn.
	repairFor = time.Minute
)

// repairer makes gaps of outages and refusals, and reads from the CRM what changed in them.
type repairer struct {
	*ingest.CRM
	shared  ingest.Store
	accept  ingest.Accept
	ready   func(context.Context) bool
	settle  time.Duration // from the end of a gap until it is repaired
	missed  *missed
	metrics *KeeperMetrics
	log     *slog.Logger

	lastReady time.Time // when callbacks could last be taken, in this process
}

// change changes the state of repairs; f may be called again where another replica was faster.
func (k *repairer) change(ctx context.Context, f func(*repairs)) error {
	_, err := repairsOf(k.shared, k.CRM).Update(ctx, func(r *repairs) error {
		f(r)
		return nil
	})
	return err
}

// noteOutage remembers the last moment at which callbacks could be taken. If that was some time ago, the time since becomes a gap;
// also a short time, if this process has just begun, which does not know why.
func (k *repairer) noteOutage(ctx context.Context) error {
	if k.Lister == nil || !k.ready(ctx) {
		return nil
	}
	now, before := time.Now().UTC(), k.lastReady
	k.lastReady = now
	channels, _, err := channelsOf(k.shared, k.CRM).Load(ctx)
	if err != nil || len(channels) == 0 && k.Watcher == nil { // no Watcher will add any
		return err
	}
	var since time.Time
	var added int
	err = k.change(ctx, func(r *repairs) {
		added = 0
		if since = r.Sure; before.After(since) {
			since = before // callbacks were accepted while the state was unreachable
		}
		if !r.Sure.IsZero() && (now.Sub(since) > outage || before.IsZero()) {
			added = k.addAll(r, channels, interval{since, now}, "the bridge could not accept callbacks")
		}
		r.Sure = now
	})
	if err == nil && added > 0 {
		k.log.Warn("callbacks could not be accepted; reading from the CRM what changed meanwhile", "since", since, "until", now)
	}
	return err
}

// noteMissed makes a gap of the time in which callbacks were refused.
func (k *repairer) noteMissed(ctx context.Context) {
	missed, ok := k.missed.take(k.Key())
	if !ok || k.Lister == nil {
		return
	}
	channels, _, err := channelsOf(k.shared, k.CRM).Load(ctx)
	if err == nil {
		err = k.change(ctx, func(r *repairs) { k.addAll(r, channels, missed, "callbacks were refused") })
	}
	if err != nil {
		k.missed.add(k.Key(), missed) // it is tried again at the next look
		return
	}
	k.log.Warn("callbacks were refused; reading from the CRM what changed meanwhile", "since", missed.first, "until", missed.last)
}

// addAll adds a gap for each module of channels, and returns how many.
func (k *repairer) addAll(r *repairs, channels []ingest.Channel, s interval, why string) (added int) {
	for _, channel := range channels {
		if channel.Queued || channel.State == "disabled" {
			continue
		}
		for _, module := range channel.Modules {
			gap := ingest.Gap{Account: channel.Account, Module: module, Since: s.first.UTC(), Until: s.last.UTC()}
			r.add(job{Gap: gap, Ours: true, Why: why}, k.settle)
			added++
		}
	}
	return added
}

// note remembers a gap of a Watcher or a Drainer until it is repaired.
func (k *repairer) note(ctx context.Context, gap ingest.Gap) error {
	if k.Lister == nil {
		k.log.Error("changes may be lost: the bridge has no credentials to read them from the CRM", "account", gap.Account, "module", gap.Module, "since", gap.Since, "until", gap.Until)
		return nil
	}
	const why = "no subscription was alive"
	err := k.change(ctx, func(r *repairs) { r.add(job{Gap: gap, Why: why}, k.settle) })
	if err == nil {
		k.log.Warn("a subscription was not alive; reading from the CRM what changed meanwhile", "account", gap.Account, "module", gap.Module, "since", gap.Since, "until", gap.Until)
	}
	return err
}

// repair continues with the gaps that are due, for about a minute.
func (k *repairer) repair(ctx context.Context) error {
	for began := time.Now(); ctx.Err() == nil && time.Since(began) < repairFor; {
		one, err := k.begin(ctx)
		if err != nil || one.Tried.IsZero() {
			return err
		}
		if err := k.repairOne(ctx, one); err != nil {
			return err
		}
	}
	return nil
}

// begin returns the next job; its Tried is zero where none is due. A gap by our own clock is converted to the CRM's first.
func (k *repairer) begin(ctx context.Context) (one job, err error) {
	err = k.change(ctx, func(r *repairs) {
		one = job{}
		if j := r.due(time.Now()); j != nil {
			j.Tried = time.Now().UTC()
			one = *j
		}
	})
	if err != nil || !one.Ours {
		return one, err
	}
	clock := &ingest.Clock{}
	if k.Clock != nil {
		if clock, err = k.Clock(ctx, one.Account); err != nil {
			return one, k.failed(ctx, one, fmt.Errorf("read the CRM's clock: %w", err))
		}
	}
	theirs := one
	theirs.Ours, theirs.Gap = false, clock.Gap(one.Account, one.Module, clock.At(one.Since), clock.At(one.Until))
	return theirs, k.change(ctx, func(r *repairs) {
		if j := r.of(one); j != nil {
			*j = theirs
		}
	})
}

// repairOne reads what changed in a gap, for at most repairFor.
func (k *repairer) repairOne(ctx context.Context, now job) error {
	reading, cancel := context.WithTimeout(ctx, repairFor)
	defer cancel()
	made := 0
	query := ingest.Query{Account: now.Account, Module: now.Module, Since: now.Since, Until: now.Until, Origin: ingest.Repair, Cursor: now.Cursor}
	for page, err := range k.Lister.Changed(reading, query) {
		if err == nil {
			_, err = k.accept.Each(reading, page.Changes, func(i int, err error) {
				k.log.Error("a record cannot be repaired and is skipped", "module", page.Changes[i].Module, "ids", page.Changes[i].IDs, "error", err)
			})
		}
		if reading.Err() != nil && made > 0 || ctx.Err() != nil {
			return nil // out of time, which is not a failure
		}
		if err != nil {
			return k.failed(ctx, now, err)
		}
		made++
		k.metrics.records(page.Changes)
		if err := k.change(ctx, func(r *repairs) { r.of(now).made(page) }); err != nil {
			return err
		}
		now.Made += len(page.Changes)
	}
	k.log.Info("gap repaired", "account", now.Account, "module", now.Module, "since", now.Since, "until", now.Until, "records", now.Made, "again", now.Second)
	return k.change(ctx, func(r *repairs) {
		if r.Done == nil {
			r.Done = map[string]time.Time{}
		}
		r.Done[now.Account+"/"+now.Module] = time.Now().UTC()
		r.done(now)
	})
}

func (j *job) made(page ingest.Page) {
	if j != nil {
		j.Made, j.Cursor, j.Fails = j.Made+len(page.Changes), page.Cursor, 0
	}
}

// failed notes that a repair could not go on.
func (k *repairer) failed(ctx context.Context, now job, cause error) error {
	if err := k.change(ctx, func(r *repairs) {
		switch j := r.of(now); {
		case j == nil:
		case errors.Is(cause, ingest.ErrNoList):
			r.Jobs = slices.DeleteFunc(r.Jobs, now.is)
		case errors.Is(cause, ingest.ErrCursor):
			j.Cursor = ""
			fallthrough
		default:
			j.Fails++
		}
	}); err != nil {
		return err
	}
	if errors.Is(cause, ingest.ErrNoList) {
		k.log.Error("a gap cannot be repaired; changes in it are lost", "account", now.Account, "module", now.Module,
			"since", now.Since, "until", now.Until, "error", k.Explain(cause))
		return nil
	}
	return fmt.Errorf("repair %s from %s: %w", now.Module, now.Since.Format(time.RFC3339), cause)
}
