package bridge

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest/retry"
	"github.com/crm-bridge/crm-bridge/publish"
	"github.com/crm-bridge/crm-bridge/publish/erase"
	"github.com/crm-bridge/crm-bridge/schemas"
)

// erasures erases the records of a CRM of which its events say that they were deleted for a person's privacy. It reads the events as they
// are stored, so a request outlives this process; of several replicas one carries it out. The event itself stays, for consumers have to
// erase the record too.
type erasures struct {
	*eraser
	erase      eraseFunc // everywhere
	provider   string
	operations []string // of the events
	prefix     string   // of their subjects
	log        *slog.Logger
}

const (
	// requestAgain is when an erasure that failed is tried again.
	requestAgain = 5 * time.Minute
	// requestWorks is how often an erasure that goes on says so.
	requestWorks = 10 * time.Second
)

// requestsOf returns what erases records on the request of CRMs, one for each provider that makes any.
func requestsOf(b *parts, e *eraser, do eraseFunc) (all []*erasures) {
	for _, crm := range b.CRMs.first() {
		if len(crm.Erasures) > 0 {
			all = append(all, &erasures{e, do, crm.Provider, crm.Erasures, b.Settings.SubjectPrefix, b.Log})
		}
	}
	return all
}

// run carries out requests until ctx ends.
func (r *erasures) run(ctx context.Context) {
	said := ""
	for ctx.Err() == nil {
		err := r.follow(ctx)
		if text := fmt.Sprint(err); ctx.Err() == nil && text != said {
			r.log.Warn("requests to erase records are not read now", "provider", r.provider, "error", err)
			said = text
		}
		_ = retry.Sleep(ctx, time.Second)
	}
}

// follow carries out requests until reading them fails or ctx ends.
func (r *erasures) follow(ctx context.Context) error {
	conn, err := r.store.Reach()
	if err != nil {
		return err
	}
	var subjects []string
	for _, operation := range r.operations {
		subjects = append(subjects, r.prefix+"."+r.provider+".*."+operation)
	}
	feed, err := conn.OpenFeed(ctx, r.stream, publish.OwnConsumers+"erase-"+r.provider, subjects, false)
	if err != nil {
		return err
	}
	defer feed.Close()
	for {
		event, err := feed.Next(ctx)
		if err != nil {
			return err
		}
		n, err := r.carryOut(ctx, event)
		switch {
		case ctx.Err() != nil:
			event.Later(0) // for another replica, or the next start
		case err != nil:
			r.log.Error("a record is not erased although its CRM asks for it; it is tried again", "provider", r.provider, "sequence", event.Sequence, "error", err)
			event.Later(requestAgain)
		default:
			r.log.Info("a record was erased because its CRM asked for it", "provider", r.provider, "sequence", event.Sequence, "messages", n)
			event.Done()
		}
	}
}

// carryOut erases the records of an event, and returns how many messages it has erased.
func (r *erasures) carryOut(ctx context.Context, event *publish.Delivered) (n int, err error) {
	text, err := event.JSON()
	if err != nil {
		return 0, err
	}
	var e schemas.Event
	if err := json.Unmarshal(text, &e); err != nil {
		return 0, fmt.Errorf("decode the event: %w", err)
	}
	working, done := context.WithCancel(ctx)
	var saying sync.WaitGroup
	saying.Go(func() {
		for retry.Sleep(working, requestWorks) == nil {
			event.Working()
		}
	})
	defer saying.Wait()
	defer done()
	for _, id := range slices.Compact(slices.Sorted(slices.Values(e.Data.IDs))) {
		record := erase.Record{Provider: r.provider, Account: e.Data.Account, Module: e.Data.Module, ID: id}
		if failed := r.check(record); failed != nil {
			err = errors.Join(err, failed)
			continue
		}
		all, failed := r.erase(ctx, order{Record: record, Keep: r.operations}, nil)
		for _, one := range all {
			n += one.Deleted
		}
		err = errors.Join(err, failed)
	}
	return n, err
}
