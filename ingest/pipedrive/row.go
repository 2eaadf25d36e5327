package pipedrive

import (
	"encoding/json"
	"errors"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/body"
)

// RecordsLabel is the label of changes that are read from the API, and the family of their schema.
const RecordsLabel = "pipedrive-records"

// listedRecord is a record as a list of the API has it.
type listedRecord struct {
	raw            json.RawMessage
	id             string
	added, updated time.Time // updated: of a deleted record when it was deleted
}

func readRow(raw json.RawMessage) (r listedRecord, err error) {
	var row struct {
		ID      json.RawMessage `json:"id"`
		Added   json.RawMessage `json:"add_time"`
		Updated json.RawMessage `json:"update_time"`
		Deleted json.RawMessage `json:"delete_time"`
	}
	if err := json.Unmarshal(raw, &row); err != nil || absent(row.ID) {
		return r, errors.New("pipedrive: a row of the list is not a record")
	}
	r = listedRecord{raw: raw, added: timeOf(row.Added), updated: timeOf(row.Updated)}
	if at := timeOf(row.Deleted); !at.IsZero() {
		r.updated = at
	}
	if r.updated.IsZero() {
		r.updated = r.added
	}
	r.id, _ = body.TextOrInteger(row.ID)
	return r, ingest.CheckID(r.id)
}

// change converts a record; ok is false where it is outside of the query, whose Account is the company.
func (r listedRecord) change(q ingest.Query, deleted bool) (change ingest.Change, ok bool) {
	operation, at, ok := q.Lists(r.added, r.updated)
	if deleted {
		operation, at, ok = "delete", r.updated, q.Contains(r.updated)
	}
	if !ok {
		return change, false
	}
	change = ingest.Change{
		Source: RecordsLabel, Provider: Provider, Account: q.Account, Module: q.Module, Operation: operation, IDs: []string{r.id},
		Collection: collectionOf(q.Module), OccurredAt: at, ReceivedAt: time.Now().UTC(), Origin: q.Origin,
		NativeOperation: operation, NativeBody: r.raw, Mark: r.updated.Format(time.RFC3339Nano),
	}
	if record := map[string]json.RawMessage{r.id: r.raw}; deleted {
		change.Previous = record
	} else {
		change.Values = record
	}
	return change, true
}

// whole returns the record that a listed change holds.
func whole(label, _ string, values json.RawMessage) (ingest.Record, bool) {
	row, err := readRow(values)
	return row.record(), label == RecordsLabel && err == nil
}
