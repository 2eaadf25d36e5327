package records

import (
	"time"

	"github.com/google/uuid"

	"github.com/crm-bridge/crm-bridge/schemas"
)

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

func newID() string { return uuid.Must(uuid.NewV7()).String() }
