package bridge

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/terminal"
	"github.com/crm-bridge/crm-bridge/ingest/retry"
	"github.com/crm-bridge/crm-bridge/publish"
	"github.com/crm-bridge/crm-bridge/publish/erase"
	"github.com/crm-bridge/crm-bridge/publish/store"
)

const (
	// orders is the prefix of the keys of erasures that replicas take part in: <id>.order, and <id>.done.<replica> of each.
	orders = "erase."
	// ordersEvery is how often a replica looks for orders.
	ordersEvery = 2 * time.Second
	// ordersWithin is how long a replica may take for its part.
	ordersWithin = time.Minute
	// ordersLast is how long an order is carried out: the replica that gave it has ended otherwise.
	ordersLast = 10 * time.Minute
)

// replicas share a remote NATS. Each has to erase what only it reaches: its journal, and states that it is about to write. They are asked
// by an order in the bucket that they share.
type replicas struct {
	state *publish.Bucket
	id    string // of this one
	log   *slog.Logger
}

func newReplicas(state *publish.Bucket, log *slog.Logger) *replicas {
	return &replicas{state: state, id: rand.Text(), log: log}
}

// ordered is an order in the bucket.
type ordered struct {
	order
	From string `json:"from"` // the replica that gave it
}

// carriedOut is what a replica says of an order.
type carriedOut struct {
	Journal string        `json:"journal,omitempty"` // its id; empty: the replica has none
	Found   []erase.Found `json:"found,omitempty"`
	Error   string        `json:"error,omitempty"`
}

// erase has the other replicas erase a record where only they reach it, and then erases it in all other streams.
func (r *replicas) erase(ctx context.Context, e *eraser, one order, progress eraseProgress) ([]erase.Found, error) {
	_, others, err := e.store.OtherJournals(ctx)
	if err != nil {
		return nil, fmt.Errorf("look for the journals of other replicas: %w", err)
	}
	var running, stopped []store.OtherJournal
	for _, other := range others {
		if other.Running {
			running = append(running, other)
		} else {
			stopped = append(stopped, other)
		}
	}
	var elsewhere []erase.Found
	if len(running) > 0 || !one.DryRun && len(e.records) > 0 {
		if one.Record.Account == "" { // an order must not be for the records of several accounts
			dry := one
			dry.DryRun = true
			if _, one.Record, err = e.eraseIn(ctx, dry, everywhere, progress); err != nil {
				return nil, err
			}
		}
		if elsewhere, err = r.ask(ctx, one, running, len(e.records) > 0); err != nil {
			return elsewhere, err
		}
	}
	found, _, err := e.eraseIn(ctx, one, everywhere, progress)
	if err == nil && !one.DryRun {
		err = mayHold(stopped)
	}
	return append(found, elsewhere...), err
}

// mayHold returns an error that names the journals of bridges that do not run, in which events of an erased record may wait.
func mayHold(stopped []store.OtherJournal) error {
	var errs []error
	for _, one := range stopped {
		if one.MayHold {
			errs = append(errs, fmt.Errorf("%s may hold events of the record, and its bridge does not run: start it, and run this command again", one.Where))
		}
	}
	return errors.Join(errs...)
}

// ask gives an order, and returns what the replicas with these journals have found. Others, which may write states, are given the time to
// see it.
func (r *replicas) ask(ctx context.Context, one order, running []store.OtherJournal, others bool) (found []erase.Found, err error) {
	prefix := orders + rand.Text() + "."
	value, err := json.Marshal(ordered{one, r.id})
	if err != nil {
		return nil, err
	}
	if _, err := r.state.Save(ctx, prefix+"order", value, 0); err != nil {
		return nil, fmt.Errorf("ask the other replicas: %w", err)
	}
	defer func() { // it names the record
		err = errors.Join(err, r.remove(context.WithoutCancel(ctx), prefix))
	}()
	if others {
		if err := retry.Sleep(ctx, 2*ordersEvery); err != nil {
			return nil, err
		}
	}
	waiting := map[string]store.OtherJournal{}
	for _, journal := range running {
		waiting[journal.ID] = journal
	}
	for deadline := time.Now().Add(ordersWithin); len(waiting) > 0; {
		saved, err := r.state.List(ctx, prefix)
		if err != nil {
			return found, err
		}
		for key, value := range saved {
			var done carriedOut
			if !strings.HasPrefix(key, prefix+"done.") || json.Unmarshal(value.Value, &done) != nil {
				continue
			}
			journal, ok := waiting[done.Journal]
			if !ok {
				continue
			}
			delete(waiting, done.Journal)
			for _, part := range done.Found {
				part.Where = journal.Where
				found = append(found, part)
			}
			if done.Error != "" {
				return found, fmt.Errorf("%s: %s", journal.Where, done.Error)
			}
		}
		if len(waiting) > 0 && time.Now().After(deadline) {
			for _, journal := range waiting {
				err = errors.Join(err, fmt.Errorf("the replica of %s does not answer: run this command again", journal.Where))
			}
			return found, err
		}
		if err := retry.Sleep(ctx, 200*time.Millisecond); err != nil {
			return found, err
		}
	}
	return found, nil
}

// remove removes an order and what replicas have said of it. A bucket permits no secure deletion; what is left in the server's file is the
// record's id, and nothing of its data.
func (r *replicas) remove(ctx context.Context, prefix string) error {
	return r.state.Prune(ctx, prefix, time.Now().Add(ordersLast))
}

// follow carries out the orders of other replicas until ctx ends.
func (r *replicas) follow(ctx context.Context, e *eraser) {
	for wait := ordersEvery; retry.Sleep(ctx, wait) == nil; {
		wait = ordersEvery
		if err := r.look(ctx, e); err != nil && !publish.Temporary(err) {
			r.log.Debug("the orders of other replicas cannot be read", "error", err)
			wait = time.Minute // a user of NATS may lack the right
		}
	}
}

// look carries out the orders that this replica has not answered.
func (r *replicas) look(ctx context.Context, e *eraser) error {
	saved, err := r.state.List(ctx, orders)
	for key, value := range saved {
		prefix, is := strings.CutSuffix(key, "order")
		answer := prefix + "done." + r.id
		var one ordered
		if !is || json.Unmarshal(value.Value, &one) != nil || one.From == r.id {
			continue
		}
		if time.Since(value.At) > ordersLast {
			err = errors.Join(err, r.remove(ctx, prefix))
			continue
		}
		if _, answered := saved[answer]; answered {
			continue
		}
		text, failed := json.Marshal(r.carryOut(ctx, e, one.order))
		if failed == nil {
			_, failed = r.state.Save(ctx, answer, text, 0)
		}
		err = errors.Join(err, failed)
	}
	return err
}

// carryOut erases a record where only this replica reaches it.
func (r *replicas) carryOut(ctx context.Context, e *eraser, one order) (done carriedOut) {
	ctx, cancel := context.WithTimeout(ctx, ordersWithin)
	defer cancel()
	err := e.check(one.Record)
	if err == nil {
		done.Journal, _, err = e.store.OtherJournals(ctx)
	}
	if err == nil {
		done.Found, _, err = e.eraseIn(ctx, one, here, nil)
	}
	if err != nil {
		done.Error = terminal.Plainly(err)
	}
	return done
}
