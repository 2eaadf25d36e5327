package hubspot

import (
	"encoding/json"
	"errors"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
)

// record is a row of the API.
type record struct {
	raw               rawJSON
	id                string
	properties        rawJSON
	created, modified time.Time
	archived          time.Time // zero: it is not
}

// readRecord reads a row of an object.
func readRecord(of object, raw rawJSON) (record, error) {
	m, err := readMembers(nil, raw)
	if err != nil {
		return record{}, errors.New("a listed record is not an object")
	}
	properties, err := readMembers(nil, m.Of("properties"))
	if err != nil {
		return record{}, errors.New("a listed record has no properties")
	}
	r := record{
		raw: raw, id: m.id("id"), properties: m.Of("properties"),
		created: m.moment("createdAt"), modified: properties.moment(of.watermark()), archived: m.moment("archivedAt"),
	}
	if r.modified.IsZero() {
		r.modified = m.moment("updatedAt")
	}
	if err := ingest.CheckRecordID(r.id); err != nil {
		return r, err
	}
	if r.modified.IsZero() && r.archived.IsZero() {
		return r, errors.New("a listed record has no modification time")
	}
	return r, nil
}

// change converts a record of a portal; ok is false where it is outside the query. A repair also has what was modified later, because the
// later change was reported and what it hides was not.
func (r record) change(q ingest.Query, of object, portal string) (change ingest.Change, ok bool) {
	change = ingest.Change{
		Source: RecordsLabel, Provider: Provider, Account: portal, Module: of.module, Operation: "edit", IDs: []string{r.id},
		Collection: of.collection(), OccurredAt: r.modified, ReceivedAt: time.Now().UTC(), Origin: q.Origin,
		NativeOperation: "search", NativeBody: r.raw,
	}
	if !r.archived.IsZero() {
		change.Operation, change.NativeOperation, change.OccurredAt = "delete", "archived", r.archived
		change.Previous = map[string]json.RawMessage{r.id: r.properties}
		change.Mark = mark(r.archived)
		return change, q.Contains(r.archived)
	}
	change.Values = map[string]json.RawMessage{r.id: r.properties}
	change.Mark = mark(r.modified)
	if q.Contains(r.created) {
		change.Operation = "create"
	}
	return change, q.Contains(r.modified) || q.Origin == ingest.Repair && r.created.Before(q.Until) && !r.modified.Before(q.Since)
}

func mark(at time.Time) string { return at.Format(time.RFC3339Nano) }

// whole returns the record that a listed change holds: its values are the properties that a read has too.
func whole(label, module string, values json.RawMessage) (ingest.Record, bool) {
	properties, err := readMembers(nil, values)
	if label != RecordsLabel || err != nil {
		return ingest.Record{}, false
	}
	r := record{properties: values, modified: properties.moment(object{module: module}.watermark())}
	return r.whole(), !r.modified.IsZero()
}
