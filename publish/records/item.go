package records

import (
	"time"

	"github.com/crm-bridge/crm-bridge/schemas"
)

// item is a record of a batch.
type item struct {
	key    Key
	causes []schemas.Cause // at most maxCauses
	newest uint64          // sequence of an event
	source string          // the collection
	seen   observation
	create bool      // an event says that it was made
	filled bool      // the newest event is a backfill's
	read   bool      // an event does not hold the record whole
	unread time.Time // when the newest of these was stored
	tries  int
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
		if at := one.delivered.At; at.After(i.unread) {
			i.unread = at
		}
	case i.seen.record == nil || !whole.ModifiedAt.Before(i.seen.record.ModifiedAt):
		i.seen.record, i.seen.at = &whole, one.recorded
	}
}

// state returns the state of a record after its last one; nil: there is none.
func (i *item) state(last *held) state {
	next := schemas.Record{
		Provider: i.key.Provider, Account: i.key.Account, Module: i.key.Module, ID: i.key.ID, Operation: schemas.Edit, Causes: i.causes,
	}
	s := state{source: i.source, readAt: i.seen.at}
	if last != nil {
		next.Before, next.ModifiedAt, s.last = last.After, last.ModifiedAt, last.sequence
	}
	modified := i.seen.deletedAt
	if i.seen.isDeletion() {
		next.Operation, next.ChangedBy = schemas.Delete, i.seen.deletedBy
	} else {
		record := i.seen.record
		next.After, next.ChangedBy, modified = record.Values, record.ChangedBy, record.ModifiedAt
		switch {
		case i.filled:
			next.Operation = schemas.Snapshot
		case i.create && next.Before == nil:
			next.Operation = schemas.Create
		}
	}
	if modified.After(next.ModifiedAt) {
		next.ModifiedAt = modified
	}
	if s.readAt.IsZero() {
		s.readAt = time.Now()
	}
	next.Changed = changed(next.Before, next.After)
	s.record = next
	return s
}
