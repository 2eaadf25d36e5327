package bitrix24

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/schemas/jsontext"
)

// queueRow is what the bridge reads of a row; ID is a string in the documents.
type queueRow struct {
	ID        string
	Event     string
	MessageID string
	at        time.Time
}

// decodeRow converts a row to a change, as Decode does for the callback of the same event.
func decodeRow(raw json.RawMessage, table table, member string, access credentials) (queueRow, ingest.Change, error) {
	row, members, err := readRow(raw)
	if err != nil {
		return row, ingest.Change{}, err
	}
	event, entityType, err := table.resolve(row.Event)
	if err != nil {
		return row, ingest.Change{}, err
	}
	change := ingest.Change{
		Source: EventsLabel, Provider: Provider, Account: member, Module: event.module, Operation: event.operation,
		Collection: collectionOf(access, event.module), OccurredAt: row.at, ReceivedAt: time.Now().UTC(), Origin: ingest.Live,
		NativeOperation: row.Event, NativeBody: withoutAuthorization(raw, members), Mark: row.mark(), ChangedBy: rowUser(members),
	}
	id, values, err := readEventData(members["EVENT_DATA"], entityType)
	if err != nil && (event.module != unnumbered || !errors.Is(err, errBlank)) {
		return row, ingest.Change{}, err
	}
	if id != "" {
		change.IDs = []string{id}
		if values != nil {
			change.Values = map[string]json.RawMessage{id: values}
		}
	}
	return row, change, nil
}

// mark distinguishes rows. MESSAGE_ID is a digest of the event's name and data, so it recurs with each change of the record; the time is in
// UTC, because the portal's zone may change.
func (r queueRow) mark() string {
	if r.MessageID == "" || r.at.IsZero() {
		return "row " + r.ID
	}
	return r.MessageID + " " + r.at.Format(time.RFC3339)
}

// readRow reads a row of event.offline.get.
func readRow(raw json.RawMessage) (queueRow, map[string]json.RawMessage, error) {
	var members map[string]json.RawMessage
	if json.Unmarshal(raw, &members) != nil || members == nil {
		return queueRow{}, nil, fmt.Errorf("%w: a row of the queue is not an object", ingest.ErrMalformed)
	}
	row := queueRow{ID: scalar(members["ID"]), Event: scalar(members["EVENT_NAME"]), MessageID: scalar(members["MESSAGE_ID"])}
	if at, err := time.Parse(time.RFC3339, scalar(members["TIMESTAMP_X"])); err == nil {
		row.at = at.UTC()
	}
	if ingest.CheckID(row.ID) != nil || row.Event == "" {
		return row, nil, fmt.Errorf("%w: a row of the queue has no ID or no EVENT_NAME", ingest.ErrMalformed)
	}
	return row, members, nil
}

// readEventData reads {"FIELDS":{"ID":…}}, or {"ID":…}; false, null and [] are empty. values has the other members, and the entity type
// from the event's name.
func readEventData(raw json.RawMessage, entityType string) (id string, values json.RawMessage, err error) {
	var data map[string]json.RawMessage
	if json.Unmarshal(raw, &data) != nil || data == nil {
		return "", nil, nil //nolint:nilerr // the documents show false for events without data
	}
	fields := data
	for name, value := range data {
		var inner map[string]json.RawMessage
		if strings.EqualFold(name, "FIELDS") && json.Unmarshal(value, &inner) == nil && inner != nil {
			fields = inner
		}
	}
	others, blank := map[string]json.RawMessage{}, false
	for name, value := range fields {
		switch {
		case strings.EqualFold(name, "ID"):
			id = scalar(value)
			blank = strings.TrimSpace(id) == ""
		case strings.EqualFold(name, "ENTITY_TYPE_ID"):
			entityType = ""
			others[name] = value
		default:
			others[name] = value
		}
	}
	switch {
	case blank:
		return "", nil, errBlank
	case id == "", id == undefined:
		return "", nil, nil
	}
	if entityType != "" {
		others["ENTITY_TYPE_ID"] = jsontext.Quote(entityType)
	}
	if len(others) > 0 {
		values = objectOf(others)
	}
	return id, values, ingest.CheckRecordID(id)
}

// withoutAuthorization returns a row with only the user's id in EVENT_ADDITIONAL, which holds authorization data by the documents.
func withoutAuthorization(raw json.RawMessage, members map[string]json.RawMessage) json.RawMessage {
	var additional map[string]json.RawMessage
	if json.Unmarshal(members["EVENT_ADDITIONAL"], &additional) != nil || len(additional) == 0 {
		return raw
	}
	user, ok := additional["user_id"]
	if ok && len(additional) == 1 {
		return raw
	}
	members["EVENT_ADDITIONAL"] = json.RawMessage("{}")
	if ok {
		members["EVENT_ADDITIONAL"] = objectOf(map[string]json.RawMessage{"user_id": user})
	}
	return objectOf(members)
}

// rowUser returns who made the change of a row; empty where EVENT_ADDITIONAL names nobody.
func rowUser(members map[string]json.RawMessage) string {
	var additional map[string]json.RawMessage
	_ = json.Unmarshal(members["EVENT_ADDITIONAL"], &additional)
	return userOf(additional["user_id"])
}

// userOf returns the id of a user, which is a number; empty for anything else, and for 0, which is nobody.
func userOf(raw json.RawMessage) string {
	id := scalar(raw)
	if n, err := strconv.ParseInt(id, 10, 64); err != nil || n <= 0 {
		return ""
	}
	return id
}

// objectOf writes members in the order of their names, each as it is written.
func objectOf(members map[string]json.RawMessage) json.RawMessage {
	out := []byte{'{'}
	for _, name := range slices.Sorted(maps.Keys(members)) {
		out = append(jsontext.AppendName(out, name), members[name]...)
	}
	return append(out, '}')
}

// scalar returns a JSON string, or a number verbatim; empty for anything else.
func scalar(raw json.RawMessage) string {
	var text string
	if json.Unmarshal(raw, &text) == nil {
		return text
	}
	var number json.Number
	if json.Unmarshal(raw, &number) == nil {
		return number.String()
	}
	return ""
}

// bare returns rows without authorization data, as they may be stored.
func bare(rows []json.RawMessage) []json.RawMessage {
	kept := make([]json.RawMessage, len(rows))
	for i, row := range rows {
		var members map[string]json.RawMessage
		if kept[i] = row; json.Unmarshal(row, &members) == nil {
			kept[i] = withoutAuthorization(row, members)
		}
	}
	return kept
}
