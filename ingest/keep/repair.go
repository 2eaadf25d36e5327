package keep

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"sync"
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
	clocks  *clocks
	metrics *KeeperMetrics
	log     *slog.Logger

	lastReady time.Time // when callbacks could last be taken, in this process
	first     int       // the shard that the next turn begins with
}

// change changes a shard of the state of repairs; f may be called again where another replica was faster.
func (k *repairer) change(ctx context.Context, shard int, f func(*repairs)) error {
	r, err := repairsOf(k.shared, k.CRM, shard).Update(ctx, func(r *repairs) error {
		f(r)
		return nil
	})
	if err == nil {
		k.metrics.open(k.CRM, shard, r.Jobs)
	}
	return err
}

// repairers is how many shards are repaired at once.
const repairers = 8

// repair continues with the gaps that are due, for about a minute.
func (k *repairer) repair(ctx context.Context) error {
	r, _, err := repairsOf(k.shared, k.CRM, 0).Load(ctx)
	if err != nil || !r.Sharded {
		return errors.Join(err, k.repairShard(ctx, 0, time.Now()))
	}
	began, next := time.Now(), make(chan int)
	failures := make([]error, shards+1)
	var all sync.WaitGroup
	for range repairers {
		all.Go(func() {
			for shard := range next {
				failures[shard] = k.repairShard(ctx, shard, began)
			}
		})
	}
	first := k.first // where the last turn ran out of time, this one begins
	for i := range failures {
		shard := (first + i) % len(failures)
		if k.first = shard; time.Since(began) > repairFor {
			break
		}
		next <- shard
	}
	close(next)
	all.Wait()
	failures = slices.DeleteFunc(failures, func(err error) bool { return err == nil })
	return errors.Join(failures[:min(len(failures), 5)]...)
}

// repairShard continues with the gaps of a shard that are due, until about a minute after a moment.
func (k *repairer) repairShard(ctx context.Context, shard int, began time.Time) error {
	for ctx.Err() == nil && time.Since(began) < repairFor {
		one, err := k.begin(ctx, shard)
		if err != nil || one.Tried.IsZero() {
			return err
		}
		if err := k.repairOne(ctx, one); err != nil {
			return err
		}
	}
	return nil
}

// begin returns the next job of a shard; its Tried is zero where none is due. A gap by our own clock is converted to the CRM's first.
func (k *repairer) begin(ctx context.Context, shard int) (one job, err error) {
	err = k.change(ctx, shard, func(r *repairs) {
		one = job{}
		if j := r.due(time.Now()); j != nil {
			j.Tried = time.Now().UTC()
			one = *j
		}
	})
	if one.shard = shard; err != nil || !one.Ours {
		return one, err
	}
	clock := &ingest.Clock{}
	if k.Clock != nil {
		asking, cancel := context.WithTimeout(ctx, repairFor)
		defer cancel()
		if clock, err = k.Clock(asking, one.Account); err != nil {
			return one, k.failed(ctx, one, fmt.Errorf("read the CRM's clock: %w", err))
		}
		k.clocks.note(k.Provider, one.Account, clock)
	}
	theirs := one
	theirs.Ours, theirs.Gap = false, clock.Gap(one.Account, one.Module, clock.At(one.Since), clock.At(one.Until))
	return theirs, k.change(ctx, shard, func(r *repairs) {
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
		if err := k.change(ctx, now.shard, func(r *repairs) { r.of(now).made(page) }); err != nil {
			return err
		}
		now.Made += len(page.Changes)
	}
	k.log.Info("gap repaired", "account", now.Account, "module", now.Module, "since", now.Since, "until", now.Until, "records", now.Made, "again", now.Second)
	closed := false
	err := k.change(ctx, now.shard, func(r *repairs) {
		if r.Done == nil {
			r.Done = map[string]time.Time{}
		}
		r.Done[now.Account+"/"+now.Module] = time.Now().UTC()
		closed = r.done(now)
	})
	if err == nil && closed {
		k.metrics.closed(k.Provider, repaired)
	}
	return err
}

func (j *job) made(page ingest.Page) {
	if j != nil {
		j.Made, j.Cursor, j.Fails, j.Failed = j.Made+len(page.Changes), page.Cursor, 0, ""
	}
}

// failed notes that a repair could not go on.
func (k *repairer) failed(ctx context.Context, now job, cause error) error {
	if err := k.change(ctx, now.shard, func(r *repairs) {
		switch j := r.of(now); {
		case j == nil:
		case errors.Is(cause, ingest.ErrNoList):
			r.Closed.add(j.closedAs(clip(k.Explain(cause))))
			r.Jobs = slices.DeleteFunc(r.Jobs, now.is)
		case errors.Is(cause, ingest.ErrCursor):
			j.Cursor = ""
			fallthrough
		default:
			j.Fails++
			j.Failed = clip(k.Explain(cause))
		}
	}); err != nil {
		return err
	}
	if errors.Is(cause, ingest.ErrNoList) {
		k.metrics.closed(k.Provider, unrepaired)
		k.log.Warn("a gap cannot be repaired; what the CRM does not send again of it is lost", "account", now.Account, "module", now.Module,
			"since", now.Since, "until", now.Until, "error", k.Explain(cause))
		return nil
	}
	return fmt.Errorf("repair %s from %s: %w", now.Module, now.Since.Format(time.RFC3339), cause)
}

// maxReason bounds the text of a failure that is stored.
const maxReason = 300

// clip returns the text of an error, shortened.
func clip(err error) string {
	if text := err.Error(); len(text) > maxReason {
		return strings.ToValidUTF8(text[:maxReason], "") + "…"
	}
	return err.Error()
}
