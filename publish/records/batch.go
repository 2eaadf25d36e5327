package records

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/publish"
	"github.com/crm-bridge/crm-bridge/schemas"
)

// maxCauses bounds the events that a state names.
const maxCauses = 100

// maxAttempts bounds how often a batch looks at its records again, because other replicas were faster or the CRM's answer is old.
const maxAttempts = 10

// item is a record of a batch.
type item struct {
	key    Key
	causes []schemas.Cause // at most maxCauses
	source string          // the collection
	seen   observation
	create bool // an event says that it was made
	filled bool // the newest event is a backfill's
	read   bool // an event does not hold the record whole
	tries  int
}

// batch is what a lane settles at once: a few events, and the records that they name.
type batch struct {
	lane   *lane
	causes []*cause
	items  map[string]*item // by the record's id
}

// add adds an event. Events come in the order of the stream, so the last about a record says whether it is still there.
func (b *batch) add(one *cause) {
	b.causes = append(b.causes, one)
	for _, id := range one.ids {
		i := b.items[id]
		if i == nil {
			i = &item{key: Key{b.lane.Provider, one.account, one.module, id}}
			b.items[id] = i
		}
		if i.causes = append(i.causes, one.of); len(i.causes) > maxCauses {
			i.causes = i.causes[1:]
		}
		i.source, i.filled = one.source, one.origin == schemas.Backfill
		i.create = i.create || one.operation == schemas.Create
		i.note(one, id)
	}
}

// note notes what an event says of the record itself. Events may come late, or again: their order says nothing.
func (i *item) note(one *cause, id string) {
	if one.operation == schemas.Delete {
		if !i.seen.deleted || one.at.After(i.seen.deletedAt) {
			i.seen.deletedAt, i.seen.deletedBy = one.at, one.changedBy
		}
		i.seen.deleted = true
		return
	}
	i.seen.changed = true
	if one.at.After(i.seen.changedAt) {
		i.seen.changedAt = one.at
	}
	whole, ok := one.whole[id]
	switch {
	case !ok:
		i.read = true
	case i.seen.record == nil || !whole.ModifiedAt.Before(i.seen.record.ModifiedAt):
		i.seen.record, i.seen.at = &whole, one.recorded
	}
}

// settle publishes the states of a batch that are newer than the last ones, and returns when they are safe.
func (l *lane) settle(ctx context.Context, b *batch) error {
	conn, err := l.Reach()
	if err != nil {
		return err
	}
	open := slices.Collect(maps.Values(b.items))
	if err := l.readAgain(ctx, slices.DeleteFunc(slices.Clone(open), func(i *item) bool { return !i.read && !i.seen.isDisputed() })); err != nil {
		return err
	}
	for attempt := 0; len(open) > 0; attempt++ {
		if attempt == maxAttempts {
			return errors.New("other replicas were faster each time")
		}
		if attempt > 0 {
			if err := pause(ctx, attempt); err != nil {
				return err
			}
		}
		if open, err = l.round(ctx, conn, open); err != nil {
			return err
		}
	}
	return l.Table.commit(ctx)
}

// round compares records with their last states and publishes what is newer. It returns those that have to be looked at again.
func (l *lane) round(ctx context.Context, conn *publish.Conn, open []*item) (again []*item, err error) {
	last, err := l.Table.last(ctx, conn, open)
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
			writes, states = append(writes, i), append(states, i.state(held))
		case keepLast:
		}
	}
	if err := l.readAgain(ctx, reread); err != nil {
		return nil, err
	}
	for n, err := range l.Table.publish(ctx, conn, states) {
		switch {
		case err == nil:
			l.Metrics.written(l.Provider, l.module)
		case errors.Is(err, publish.ErrConflict):
			again = append(again, writes[n])
		case errors.Is(err, publish.ErrTooLarge):
			l.leave("too large", 1, fmt.Errorf("record %s: %w", writes[n].key.ID, err))
		default:
			return nil, err
		}
	}
	return append(again, reread...), nil
}

// readAgain reads records from the CRM.
func (l *lane) readAgain(ctx context.Context, items []*item) error {
	reader := l.Reader(l.account, l.module)
	for chunk := range slices.Chunk(items, ingest.MaxRead) {
		ids, at := make([]string, len(chunk)), time.Now()
		for n, i := range chunk {
			ids[n] = i.key.ID
		}
		l.Metrics.read(l.Provider)
		found, err := reader.Read(ctx, l.account, l.module, ids)
		if errors.Is(err, ingest.ErrUnreadable) {
			l.leave("unreadable", len(chunk), err)
			for _, i := range chunk {
				i.seen.record, i.seen.absent, i.seen.at = nil, false, at
			}
			continue
		}
		if ctx.Err() != nil {
			return errEnded
		}
		if err != nil {
			return err
		}
		for _, i := range chunk {
			if err := l.see(i, found, at); err != nil {
				return err
			}
		}
	}
	return nil
}

// see notes what a read found of a record.
func (l *lane) see(i *item, found ingest.Found, at time.Time) error {
	i.seen.at, i.seen.isRead, i.seen.record, i.seen.absent = at, true, nil, false
	record, ok := found.Records[i.key.ID]
	if err := found.Refused[i.key.ID]; err != nil {
		l.leave("refused", 1, fmt.Errorf("record %s: %w", i.key.ID, err))
		return nil
	}
	if !ok {
		i.seen.absent = true
		return nil
	}
	values, err := l.Clean(l.account, l.module, record.Values)
	if err != nil {
		l.leave("malformed", 1, fmt.Errorf("record %s: %w", i.key.ID, err))
		return nil
	}
	record.Values = values
	i.seen.record = &record
	return nil
}

// leave counts records that cannot be kept, and keeps nobody waiting for them.
func (l *lane) leave(why string, n int, err error) {
	l.Metrics.left(l.Provider, l.module, why, n)
	if l.first(why) {
		l.Log.Error("records are not kept", "provider", l.Provider, "account", l.account, "module", l.module, "why", why, "error", err)
	}
}
