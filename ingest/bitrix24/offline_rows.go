package bitrix24

import (
	"context"
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

// finish has rows accepted, clears them from the portal, and forgets the batch. A row that is not understood, or that can
// never be stored, stays in the portal's queue, marked (event.offline.error): it is shown there with error=1.
func (q *queue) finish(ctx context.Context, memory *batch, rows []json.RawMessage) error {
	var changes []ingest.Change
	var of []queueRow // of each change
	var refused []queueRow
	for _, raw := range rows {
		row, change, err := q.decode(raw)
		if err != nil {
			q.offline.Client.log().Error("offline event not understood", "portal", q.member, "row", row.ID, "event", row.Event, "reason", err)
			refused = append(refused, row)
			continue
		}
		changes, of = append(changes, change), append(of, row)
	}
	done, unwanted, err := q.accepted(ctx, changes, of)
	refused = append(refused, unwanted...)
	if err != nil {
		return err
	}
	if memory.ProcessID != "" {
		if err := q.clear(ctx, memory.ProcessID, done, refused); err != nil {
			return err
		}
	} else if len(refused) > 0 {
		q.offline.Client.log().Error("offline events are lost: the portal no longer has them", "portal", q.member, "rows", len(refused))
	}
	return q.forget(ctx, memory)
}

// accepted makes changes safe, all at once; where that is refused for good, one by one, to find the one that is to blame.
func (q *queue) accepted(ctx context.Context, changes []ingest.Change, rows []queueRow) (done, refused []queueRow, err error) {
	if len(changes) == 0 {
		return nil, nil, nil
	}
	_, err = q.accept(ctx, changes)
	forGood := errors.Is(err, ingest.ErrMalformed) || errors.Is(err, ingest.ErrTooLarge)
	switch {
	case err == nil:
		return rows, nil, nil
	case !forGood || errors.Is(err, ingest.ErrRetry):
		return nil, nil, err
	case len(changes) == 1:
		q.offline.Client.log().Error("offline event refused", "portal", q.member, "row", rows[0].ID, "event", rows[0].Event, "reason", err)
		return nil, rows, nil
	}
	for i := range changes {
		one, bad, err := q.accepted(ctx, changes[i:i+1], rows[i:i+1])
		if err != nil {
			return nil, nil, err
		}
		done, refused = append(done, one...), append(refused, bad...)
	}
	return done, refused, nil
}

// clear takes rows from the portal's queue, and marks those that were refused.
func (q *queue) clear(ctx context.Context, process string, done, refused []queueRow) error {
	if len(refused) > 0 {
		messages := make([]string, len(refused))
		for i, row := range refused {
			messages[i] = row.MessageID
		}
		if err := q.offline.Client.Call(ctx, q.member, "event.offline.error", map[string]any{"process_id": process, "message_id": messages}, nil); err != nil {
			return explain(err)
		}
	}
	if len(done) == 0 {
		return nil
	}
	ids := make([]any, len(done))
	for i, row := range done {
		ids[i] = row.ID
		if number, err := strconv.Atoi(row.ID); err == nil { // as the documents send it
			ids[i] = number
		}
	}
	return explain(q.offline.Client.Call(ctx, q.member, "event.offline.clear", map[string]any{"process_id": process, "id": ids}, nil))
}

// queueRow is what the bridge reads of a row; ID is a string in the documents.
type queueRow struct {
	ID        string
	Event     string
	MessageID string
	at        time.Time
}

// decode makes a change of a row, as Decode does of the callback that tells the same.
func (q *queue) decode(raw json.RawMessage) (queueRow, ingest.Change, error) {
	row, members, err := readRow(raw)
	if err != nil {
		return row, ingest.Change{}, err
	}
	event, entityType, err := q.table.resolve(row.Event)
	if err != nil {
		return row, ingest.Change{}, err
	}
	change := ingest.Change{
		Source: EventsLabel, Provider: Provider, Account: q.member, Module: event.module, Operation: event.operation,
		Collection: collectionOf(q.access, event.module), OccurredAt: row.at, ReceivedAt: time.Now().UTC(), Origin: ingest.Live,
		NativeOperation: row.Event, NativeBody: withoutAuthorization(raw, members), Mark: row.mark(),
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

// mark tells two rows apart. MESSAGE_ID is a digest of the event's name and data, so it comes again with each change of the
// record; the time is written in UTC, for the portal writes it in the zone of the moment.
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
		return queueRow{}, nil, fmt.Errorf("%w: a row of the queue is no object", ingest.ErrMalformed)
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

// readEventData reads {"FIELDS":{"ID":…}}, or {"ID":…}; false, null and [] say nothing. values are the other members, and
// the entity type that the event's name gave.
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

// withoutAuthorization is a row without what EVENT_ADDITIONAL holds beside the user's id: the documents call it
// authorization data.
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

// objectOf writes members in the order of their names, each as it is written.
func objectOf(members map[string]json.RawMessage) json.RawMessage {
	out := []byte{'{'}
	for _, name := range slices.Sorted(maps.Keys(members)) {
		out = append(jsontext.AppendName(out, name), members[name]...)
	}
	return append(out, '}')
}

// scalar is a JSON string's text, or a number as it is written; empty for anything else.
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

// bare returns rows as they may be remembered: without what authorizes anybody.
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
