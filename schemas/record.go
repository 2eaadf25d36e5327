package schemas

import (
	_ "embed"
	"encoding/json"
	"time"
)

// RecordFamily is the family whose data is a Record; that of every other is a Change.
const RecordFamily = "record"

// Snapshot is the operation of a record's state that a backfill has read.
const Snapshot = "snapshot"

// Record is the data of a record's state: a record of a CRM as it is now and as it was before. The message with it is the last of its
// subject in the stream <STREAM>_RECORDS until the record changes.
//
//	var record schemas.Record
//	err := json.Unmarshal(e.Data(), &record)
//
// Unknown members are ignored, so that states of later versions of the bridge decode too.
type Record struct {
	// Provider, Account and Module are those of the events that caused the state.
	Provider string `json:"provider"`
	Account  string `json:"account"`
	Module   string `json:"module"`

	// ID is the record's id in the module, as a string, for some pass 2^53.
	ID string `json:"id"`

	// Operation is Create, Edit, Delete or Snapshot.
	Operation string `json:"operation"`

	// Before is the record in the state that the stream held until now, a JSON object; null where it held none, or a deletion.
	Before json.RawMessage `json:"before"`

	// After is the record, a JSON object with every digit as it came; null after a deletion.
	After json.RawMessage `json:"after"`

	// Changed are the names of the members of Before and After that differ, sorted; of a record without one of them, all of the other's.
	Changed []string `json:"changed"`

	// ModifiedAt is when the record was last changed or was deleted, by the CRM's clock. Zero where the CRM does not say.
	ModifiedAt time.Time `json:"modifiedAt,omitzero"`

	// ChangedBy is the CRM's id of who made the last change. Empty where the CRM does not say.
	ChangedBy string `json:"changedBy,omitzero"`

	// Causes are the events for which the record was looked at, oldest first, at most the last hundred.
	Causes []Cause `json:"causes"`
}

// Cause is an event that led to a record's state.
type Cause struct {
	ID       string `json:"id"`       // of the event
	Sequence uint64 `json:"sequence"` // in the stream of events
}

// UnmarshalJSON decodes a record's state. A Before or After that is null becomes nil.
func (r *Record) UnmarshalJSON(text []byte) error {
	type members Record
	if err := json.Unmarshal(text, (*members)(r)); err != nil {
		return err
	}
	for _, state := range []*json.RawMessage{&r.Before, &r.After} {
		if string(*state) == "null" {
			*state = nil
		}
	}
	return nil
}

// RecordEvent is a message of the stream of records in the structured mode: CloudEvents' attributes, those of the bridge, and the data.
//
//	var e schemas.RecordEvent
//	err := json.Unmarshal(msg.Data, &e)
//
// With BRIDGE_EVENT_MODE=binary the attributes are headers, and the message is the data alone: decode it into a Record.
type RecordEvent struct {
	// SpecVersion is CloudEvents' version, "1.0".
	SpecVersion string `json:"specversion"`

	// ID identifies the state.
	ID string `json:"id"`

	// Source is the collection of records in the CRM, a URI reference.
	Source string `json:"source"`

	// Type is crm.record.<provider>.<Module>.
	Type string `json:"type"`

	// Subject is the ID of the data.
	Subject string `json:"subject"`

	// Time is ModifiedAt of the data, or RecordedTime if the CRM does not say.
	Time time.Time `json:"time"`

	// DataContentType is "application/json".
	DataContentType string `json:"datacontenttype"`

	// DataSchema identifies the schema of the data; FamilyOf returns RecordFamily.
	DataSchema string `json:"dataschema"`

	// Provider, Module, Operation and Account repeat those of the data, for filters.
	Provider  string `json:"crmprovider"`
	Module    string `json:"crmmodule"`
	Operation string `json:"crmoperation"`
	Account   string `json:"crmaccount"`

	// PartitionKey is the same for all states of a record, and of no other.
	PartitionKey string `json:"partitionkey"`

	// RecordedTime is when the bridge read the record, or received it in a callback.
	RecordedTime time.Time `json:"recordedtime"`

	Data Record `json:"data"`
}

//go:embed record-event.json
var recordEnvelope []byte

// RecordEnvelope returns the JSON Schema of a record's state in the structured mode.
func RecordEnvelope() []byte { return append([]byte(nil), recordEnvelope...) }
