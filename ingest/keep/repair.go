package keep

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"github.com/crm-bridge/crm-bridge/ingest"
	"slices"
	"time"
)

const (
	// outage is how long no replica must have been able to take callbacks for their loss to be repaired; it is looked at every
	// keepEvery.
	outage = 3 * keepEvery
	// repairFor is how long a repair may go on before what else is due has its turn.
	repairFor = time.Minute
)

// changeTries bounds how often a change is tried that another replica was faster than.
const changeTries = 5

// change loads the state of repairs, lets f change it, and saves it; again, where another replica was faster.
func (k *keeping) change(ctx context.Context, f func(*repairs)) error {
	k.repairs.Lock()
	defer k.repairs.Unlock()
	err := ingest.ErrConflict
	for try := 0; try < changeTries && errors.Is(err, ingest.ErrConflict); try++ {
		err = k.changeOnce(ctx, f)
	}
	if err != nil {
		return fmt.Errorf("repairs of %s: %w", k.kept.Provider, err)
	}
	return nil
}

func (k *keeping) changeOnce(ctx context.Context, f func(*repairs)) error {
	var r repairs
	key := repairsKey(k.kept.Provider)
	value, revision, err := k.State.Shared.Load(ctx, key)
	if err == nil && value != nil {
		err = json.Unmarshal(value, &r)
	}
	if err != nil {
		return err
	}
	f(&r)
	if value, err = json.Marshal(r); err != nil {
		return err
	}
	_, err = k.State.Shared.Save(ctx, key, value, revision)
	return err
}

// noteOutage remembers the last moment at which callbacks could be taken. Where that is some time ago, everything since may
// have gone unheard; also where it is short, if this process has just begun to keep, for it does not know why.
func (k *keeping) noteOutage(ctx context.Context) error {
	if k.kept.Lister == nil || !k.Ready(ctx) {
		return nil
	}
	now, before := time.Now().UTC(), k.ready
	k.ready = now
	channels, err := k.channelsOf(ctx, k.kept.Provider)
	if err != nil || len(channels) == 0 && k.kept.Watcher == nil { // or else there may be some in a moment
		return err
	}
	var since time.Time
	added := 0
	err = k.change(ctx, func(r *repairs) {
		if since = r.Sure; before.After(since) {
			since = before // the state was away meanwhile, and callbacks were taken all the same
		}
		if !r.Sure.IsZero() && (now.Sub(since) > outage || before.IsZero()) {
			added = k.addAll(r, channels, span{since, now}, "the bridge could not take callbacks")
		}
		r.Sure = now
	})
	if err == nil && added > 0 {
		k.Log.Warn("callbacks could not be taken: what changed meanwhile is read from the CRM", "source", k.kept.Provider, "since", since, "until", now)
	}
	return err
}

// noteMissed makes a gap of the time in which callbacks were refused.
func (k *keeping) noteMissed(ctx context.Context) {
	missed, ok := k.takeMissed(k.kept.Provider)
	if !ok || k.kept.Lister == nil {
		return
	}
	channels, err := k.channelsOf(ctx, k.kept.Provider)
	if err == nil {
		err = k.change(ctx, func(r *repairs) { k.addAll(r, channels, missed, "callbacks were refused") })
	}
	if err != nil {
		k.miss(k.kept.Provider, missed) // it is tried again at the next look
		return
	}
	k.Log.Warn("callbacks were refused: what changed meanwhile is read from the CRM", "source", k.kept.Provider, "since", missed.first, "until", missed.last)
}

// addAll adds a gap of every module that channels tell of, and returns how many.
func (k *keeping) addAll(r *repairs, channels []ingest.Channel, s span, why string) (added int) {
	for _, channel := range channels {
		if channel.Queued || channel.State == "disabled" {
			continue
		}
		for _, module := range channel.Modules {
			gap := ingest.Gap{Account: channel.Account, Module: module, Since: s.first.UTC(), Until: s.last.UTC()}
			r.add(job{Gap: gap, Ours: true, Why: why}, settleOf(k.kept))
			added++
		}
	}
	return added
}

// Repaired returns when a gap of one of a channel's modules was last repaired; zero: none was.
func (k *Keeper) Repaired(ctx context.Context, channel ingest.Channel) (last time.Time, err error) {
	for _, kept := range k.CRMs {
		value, _, err := k.State.Shared.Load(ctx, repairsKey(kept.Provider))
		var r repairs
		if err == nil && value != nil {
			err = json.Unmarshal(value, &r)
		}
		if err != nil {
			return last, fmt.Errorf("repairs of %s: %w", kept.Provider, err)
		}
		for _, module := range channel.Modules {
			if at := r.Done[channel.Account+"/"+module]; kept.Provider == channel.Provider && at.After(last) {
				last = at
			}
		}
	}
	return last, nil
}

func repairsKey(provider string) string { return "repairs." + provider }

// note remembers a gap until it is repaired.
func (k *keeping) note(ctx context.Context, gap ingest.Gap, why string) error {
	k.Log.Warn("changes may have gone unheard: they are read from the CRM", "source", k.kept.Provider, "account", gap.Account, "module", gap.Module, "since", gap.Since, "until", gap.Until, "why", why)
	return k.change(ctx, func(r *repairs) { r.add(job{Gap: gap, Why: why}, settleOf(k.kept)) })
}

// repair goes on with the gaps that are due, for a while.
func (k *keeping) repair(ctx context.Context) error {
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

// begin returns the job whose turn it is; its Tried is zero where none is due.
func (k *keeping) begin(ctx context.Context) (one job, err error) {
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
	if k.kept.Clock != nil {
		if clock, err = k.kept.Clock(ctx, one.Account); err != nil {
			return one, k.failed(ctx, one, fmt.Errorf("ask for its time: %w", err))
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
func (k *keeping) repairOne(ctx context.Context, now job) error {
	reading, cancel := context.WithTimeout(ctx, repairFor)
	defer cancel()
	made := 0
	query := ingest.Query{Account: now.Account, Module: now.Module, Since: now.Since, Until: now.Until, Origin: ingest.Repair, Cursor: now.Cursor}
	for page, err := range k.kept.Lister.Changed(reading, query) {
		if err == nil {
			err = k.acceptAll(reading, page.Changes)
		}
		if reading.Err() != nil && made > 0 || ctx.Err() != nil {
			return nil // its time was over, which is no failure
		}
		if err != nil {
			return k.failed(ctx, now, err)
		}
		made++
		k.Metrics.records(page.Changes)
		if err := k.change(ctx, func(r *repairs) { r.of(now).made(page) }); err != nil {
			return err
		}
		now.Made += len(page.Changes)
	}
	k.Log.Info("repaired", "source", k.kept.Provider, "account", now.Account, "module", now.Module, "since", now.Since, "until", now.Until, "records", now.Made, "again", now.Second)
	return k.change(ctx, func(r *repairs) {
		if r.Done == nil {
			r.Done = map[string]time.Time{}
		}
		r.Done[now.Account+"/"+now.Module] = time.Now().UTC()
		r.done(now)
	})
}

// acceptAll makes changes safe. One that makes no valid event is left out, with a word in the log: it must not keep the
// others out.
func (k *keeping) acceptAll(ctx context.Context, changes []ingest.Change) error {
	if len(changes) == 0 {
		return nil
	}
	_, err := k.Accept(ctx, changes)
	if !errors.Is(err, ingest.ErrMalformed) && !errors.Is(err, ingest.ErrTooLarge) {
		return err
	}
	for i := range changes {
		_, err := k.Accept(ctx, changes[i:i+1])
		if errors.Is(err, ingest.ErrMalformed) || errors.Is(err, ingest.ErrTooLarge) {
			k.Log.Error("a record is left out of a repair", "source", k.kept.Provider, "module", changes[i].Module, "ids", changes[i].IDs, "error", err)
		} else if err != nil {
			return err
		}
	}
	return nil
}

func (j *job) made(page ingest.Page) {
	if j != nil {
		j.Made, j.Cursor, j.Fails = j.Made+len(page.Changes), page.Cursor, 0
	}
}

// failed notes that a repair could not go on.
func (k *keeping) failed(ctx context.Context, now job, cause error) error {
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
		k.Log.Error("a gap cannot be repaired: changes in it are lost", "source", k.kept.Provider, "account", now.Account, "module", now.Module,
			"since", now.Since, "until", now.Until, "error", cause)
		return nil
	}
	return fmt.Errorf("repair %s from %s: %w", now.Module, now.Since.Format(time.RFC3339), cause)
}
