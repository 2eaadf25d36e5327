package records

import (
	"encoding/json"
	"fmt"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/publish"
	"github.com/crm-bridge/crm-bridge/schemas"
)

// cause is an event of the consumer, and what it says of its records.
type cause struct {
	delivered *publish.Delivered
	of        schemas.Cause
	account   string
	module    string
	operation string
	origin    string
	source    string    // the collection
	at        time.Time // when it happened, by the CRM's clock; zero: unknown
	changedBy string
	ids       []string                 // of the records
	whole     map[string]ingest.Record // those that it holds whole
	recorded  time.Time                // when the bridge got it
}

// maxCarried bounds a record, in bytes, that is taken from its event; a larger one is read from the CRM when it is its turn, so that what
// waits needs little memory.
const maxCarried = 32 << 10

// WholeFunc returns the record that the values of a change are, if they are all of it; family is that of the event's schema.
type WholeFunc func(family, module string, values json.RawMessage) (ingest.Record, bool)

// RecordIDFunc returns the id of a record among those of its module, from its id and its values in a change.
type RecordIDFunc func(module, id string, values json.RawMessage) string

// readCause reads a delivered event. The functions may be nil.
func readCause(delivered *publish.Delivered, wholeOf WholeFunc, recordID RecordIDFunc) (*cause, error) {
	text, err := delivered.JSON()
	if err != nil {
		return nil, err
	}
	var e schemas.Event
	if err := json.Unmarshal(text, &e); err != nil {
		return nil, fmt.Errorf("decode the event: %w", err)
	}
	c := &cause{
		delivered: delivered, of: schemas.Cause{ID: e.ID, Sequence: delivered.Sequence}, account: e.Data.Account, module: e.Data.Module,
		operation: e.Data.Operation, origin: e.Origin, source: e.Source, at: e.Data.OccurredAt, changedBy: e.Data.ChangedBy,
		recorded: e.RecordedTime,
	}
	family := schemas.FamilyOf(e.DataSchema)
	seen := map[string]bool{}
	for _, named := range e.Data.IDs {
		values := e.Data.Values[named]
		id := named
		if recordID != nil {
			id = recordID(c.module, named, values)
		}
		if seen[id] {
			continue
		}
		seen[id] = true
		c.ids = append(c.ids, id)
		if wholeOf == nil || c.operation == schemas.Delete || len(values) == 0 || len(values) > maxCarried {
			continue
		}
		if record, ok := wholeOf(family, c.module, values); ok {
			if c.whole == nil {
				c.whole = map[string]ingest.Record{}
			}
			record.ID = id
			c.whole[id] = record
		}
	}
	return c, nil
}
