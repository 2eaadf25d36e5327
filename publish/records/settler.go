package records

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/retry"
	"github.com/crm-bridge/crm-bridge/ingest/trace"
	"github.com/crm-bridge/crm-bridge/publish"
)

// maxAttempts bounds how often a batch looks at its records again, because other replicas were faster or the CRM's answer is old.
const maxAttempts = 10

// settler reads the records of a module of an account, and publishes their states.
type settler struct {
	provider, account, module string

	reach   func() (*publish.Conn, error)
	table   *Table
	reader  ingest.Reader
	clean   func(account, module string, values json.RawMessage) (json.RawMessage, error)
	metrics *Metrics
	log     *slog.Logger

	forgotten *forgotten

	stored atomic.Uint64 // states

	said sync.Map // why records were left out, each said once
}

// settle publishes the states of a batch that are newer than the last ones, and returns when they are safe.
func (s *settler) settle(ctx context.Context, b *batch) error {
	conn, err := s.reach()
	if err != nil {
		return err
	}
	open := slices.Collect(maps.Values(b.items))
	unread := slices.DeleteFunc(slices.Clone(open), func(i *item) bool { return !i.read && !i.seen.isDisputed() })
	last, err := s.table.last(ctx, conn, keysOf(unread))
	if err != nil {
		return err
	}
	unread = slices.DeleteFunc(unread, func(i *item) bool { return !i.seen.deleted && last[i.key].covers(i.unread) })
	if err := s.readAgain(ctx, unread, last); err != nil {
		return err
	}
	for attempt := 0; len(open) > 0; attempt++ {
		if attempt == maxAttempts {
			return errors.New("other replicas were faster each time")
		}
		if attempt > 0 {
			if retry.Sleep(ctx, time.Duration(attempt)*50*time.Millisecond) != nil {
				return context.Cause(ctx)
			}
		}
		if open, err = s.round(ctx, conn, open); err != nil {
			return err
		}
	}
	return s.table.commit(ctx)
}

// round compares records with their last states and publishes what is newer. It returns those that have to be looked at again.
func (s *settler) round(ctx context.Context, conn *publish.Conn, open []*item) (again []*item, err error) {
	last, err := s.table.last(ctx, conn, keysOf(open))
	if err != nil {
		return nil, err
	}
	var reread, writes []*item
	var states []state
	for _, i := range open {
		held := last[i.key]
		switch i.seen.against(held, i.tries) {
		case readFirst:
			i.tries++
			reread = append(reread, i)
		case publishIt:
			writes, states = append(writes, i), append(states, s.cleaned(i.state(held)))
		case keepLast:
		}
	}
	if err := s.readAgain(ctx, reread, last); err != nil {
		return nil, err
	}
	s.forgotten.writes.RLock()
	defer s.forgotten.writes.RUnlock()
	writes, states = s.forgotten.without(writes, states)
	for n, err := range s.table.publish(ctx, conn, states) {
		switch {
		case err == nil:
			s.metrics.written(s.provider, s.module)
			s.stored.Add(1)
		case errors.Is(err, publish.ErrConflict):
			again = append(again, writes[n])
		case errors.Is(err, errMalformed):
			s.leave("malformed", 1, fmt.Errorf("record %s: %w", writes[n].key.ID, err))
		case errors.Is(err, publish.ErrTooLarge):
			s.leave("too large", 1, fmt.Errorf("record %s: %w", writes[n].key.ID, err))
		default:
			return nil, err
		}
	}
	return append(again, reread...), nil
}

// cleaned returns a state without what must not be stored of the one before, which may be older than a mask.
func (s *settler) cleaned(next state) state {
	if next.record.Before == nil {
		return next
	}
	before, err := s.clean(s.account, s.module, next.record.Before)
	if err != nil {
		before = nil
	}
	next.record.Before, next.record.Changed = before, changed(before, next.record.After)
	return next
}

// readAgain reads records from the CRM, whose last states are known.
func (s *settler) readAgain(ctx context.Context, items []*item, last map[Key]*held) error {
	for chunk := range slices.Chunk(items, ingest.MaxRead) {
		ids, at := make([]string, len(chunk)), time.Now()
		for n, i := range chunk {
			ids[n] = i.key.ID
		}
		s.metrics.read(s.provider)
		found, err := s.read(ctx, ids)
		if errors.Is(err, ingest.ErrUnreadable) {
			s.leave("unreadable", len(chunk), err)
			for _, i := range chunk {
				i.seen.record, i.seen.absent, i.seen.at = nil, false, at
			}
			continue
		}
		if err != nil {
			return err
		}
		for _, i := range chunk {
			if i.seen.after = 0; last[i.key] != nil {
				i.seen.after = last[i.key].sequence
			}
			s.see(i, found, at)
		}
	}
	return nil
}

// read reads records from the CRM.
func (s *settler) read(ctx context.Context, ids []string) (ingest.Found, error) {
	ctx, span := trace.Begin(ctx, "read records", trace.Internal)
	defer span.End()
	span.Set("crm_bridge.provider", s.provider)
	span.Set("crm_bridge.module", s.module)
	span.SetInt("crm_bridge.records", len(ids))
	found, err := s.reader.Read(ctx, s.account, s.module, ids)
	if err != nil {
		span.Fail("_OTHER")
	}
	return found, err
}

// see notes what a read found of a record.
func (s *settler) see(i *item, found ingest.Found, at time.Time) {
	i.seen.at, i.seen.isRead, i.seen.record, i.seen.absent = at, true, nil, false
	record, ok := found.Records[i.key.ID]
	if err := found.Refused[i.key.ID]; err != nil {
		s.leave("refused", 1, fmt.Errorf("record %s: %w", i.key.ID, err))
		return
	}
	if !ok {
		i.seen.absent = true
		return
	}
	values, err := s.clean(s.account, s.module, record.Values)
	if err != nil {
		s.leave("malformed", 1, fmt.Errorf("record %s: %w", i.key.ID, err))
		return
	}
	record.Values = values
	i.seen.record = &record
}

// leave counts records that cannot be kept, and keeps nobody waiting for them.
func (s *settler) leave(why string, n int, err error) {
	s.metrics.left(s.provider, s.module, why, n)
	if _, said := s.said.LoadOrStore(why, true); !said {
		s.log.Error("records are not kept", "provider", s.provider, "account", s.account, "module", s.module, "why", why, "error", err)
	}
}

func keysOf(items []*item) []Key {
	keys := make([]Key, len(items))
	for n, i := range items {
		keys[n] = i.key
	}
	return keys
}
