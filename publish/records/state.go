package records

import (
	"bytes"
	"encoding/json"
	"time"

	"github.com/google/uuid"

	"github.com/crm-bridge/crm-bridge/publish"
	"github.com/crm-bridge/crm-bridge/schemas"
	"github.com/crm-bridge/crm-bridge/schemas/cloudevent"
)

// held is the last state of a record.
type held struct {
	schemas.Record
	sequence uint64
	storedAt time.Time // by the server's clock
	readAt   time.Time // when the CRM was asked, or the event came that held it
}

// readState reads a state. A message of another program counts as that of a deleted record.
func readState(message publish.Kept) *held {
	h := &held{sequence: message.Sequence, storedAt: message.At}
	e, err := message.Event()
	if err != nil || json.Unmarshal(e.Data(), &h.Record) != nil {
		return &held{sequence: message.Sequence}
	}
	if text, ok := e.Extensions()["recordedtime"].(string); ok {
		h.readAt, _ = time.Parse(time.RFC3339Nano, text)
	}
	return h
}

// An event is older than a state by longestRead or more if the state was certainly read from the CRM after the event: reading and storing it
// took less.
const longestRead = 5 * time.Minute

// covers reports whether the state was read from the CRM after an event that the server stored at a time, so that the record need not be
// read for it. A state that an event held whole is as old as that event; it covers none, for its times are not close to each other, or no
// older event is left.
func (h *held) covers(at time.Time) bool {
	return h != nil && h.After != nil && h.storedAt.Sub(h.readAt).Abs() < longestRead/2 && at.Before(h.storedAt.Add(-longestRead))
}

// state is a state that is to be published, made from the last one.
type state struct {
	record schemas.Record
	source string
	readAt time.Time
	last   uint64
}

// event returns the CloudEvent of a state.
func (s *state) event(schema string) (*cloudevent.Event, error) {
	r := &s.record
	var data bytes.Buffer
	write := json.NewEncoder(&data)
	write.SetEscapeHTML(false)
	if err := write.Encode(r); err != nil {
		return nil, err
	}
	source, err := cloudevent.Reference(s.source)
	if err != nil {
		return nil, err
	}
	e := &cloudevent.Event{
		ID: newID(), Source: source, Type: "crm.record." + r.Provider + "." + r.Module, Subject: r.ID, DataSchema: schema, Time: r.ModifiedAt, Data: bytes.TrimSpace(data.Bytes()),
		Extensions: []cloudevent.Extension{
			{Name: "crmaccount", Value: r.Account},
			{Name: "crmmodule", Value: r.Module},
			{Name: "crmoperation", Value: r.Operation},
			{Name: "crmprovider", Value: r.Provider},
			{Name: "partitionkey", Value: r.Provider + "/" + r.Account + "/" + r.Module + "/" + r.ID},
			{Name: "recordedtime", Value: s.readAt.UTC().Format(time.RFC3339Nano)},
		},
	}
	if e.Time.IsZero() {
		e.Time = s.readAt.UTC()
	}
	return e, e.Validate()
}

func newID() string { return uuid.Must(uuid.NewV7()).String() }
