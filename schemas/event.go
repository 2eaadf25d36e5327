package schemas

import (
	_ "embed"
	"strings"
	"time"
)

// Event is a message in the structured mode: CloudEvents' attributes, those of the bridge, and the data.
//
//	var e schemas.Event
//	err := json.Unmarshal(msg.Data, &e)
//
// With BRIDGE_EVENT_MODE=binary the attributes are headers, and the message is the data alone: decode it into a Change.
type Event struct {
	// SpecVersion is CloudEvents' version, "1.0".
	SpecVersion string `json:"specversion"`

	// ID identifies the event. It stays the same when the event is redelivered, replayed, or sent again by a CRM that marks its
	// changes. Deduplicate by it.
	ID string `json:"id"`

	// Source is the collection of records in the CRM, a URI reference. Of webhooks that do not name it, it is the path to which
	// they came, without its operation.
	Source string `json:"source"`

	// Type is crm.<provider>.<Module>.<operation>, whatever BRIDGE_SUBJECT_PREFIX is.
	Type string `json:"type"`

	// Subject is the record id of an event that has exactly one.
	Subject string `json:"subject,omitzero"`

	// Time is OccurredAt of the data, or when the callback arrived if the CRM sent no time.
	Time time.Time `json:"time"`

	// DataContentType is "application/json".
	DataContentType string `json:"datacontenttype"`

	// DataSchema identifies the schema of the data; FamilyOf returns its family.
	DataSchema string `json:"dataschema"`

	// Provider, Module and Operation repeat those of the data, for filters.
	Provider  string `json:"crmprovider"`
	Module    string `json:"crmmodule"`
	Operation string `json:"crmoperation"`

	// Account and Channel repeat those of the data.
	Account string `json:"crmaccount,omitzero"`
	Channel string `json:"crmchannel,omitzero"`

	// Origin is Live, Backfill or Repair.
	Origin string `json:"crmorigin"`

	// PartitionKey is the same for all events of a record. Only BRIDGE_EVENT_PER=record sets it.
	PartitionKey string `json:"partitionkey,omitzero"`

	// RecordedTime is when the bridge received the callback, or read the record.
	RecordedTime time.Time `json:"recordedtime,omitzero"`

	// TraceParent is the W3C trace context of the callback's request, if it had one.
	TraceParent string `json:"traceparent,omitzero"`

	Data Change `json:"data"`
}

// The values of Origin.
const (
	Live     = "live"     // a callback
	Backfill = "backfill" // read from the CRM's API by crm-bridge backfill
	Repair   = "repair"   // read from the CRM's API by the bridge, after it may have missed callbacks
)

//go:embed event.json
var envelope []byte

// Envelope returns the JSON Schema of an event in the structured mode, for data of any family.
func Envelope() []byte { return append([]byte(nil), envelope...) }

// FamilyOf returns the family that an event's dataschema names, such as "acme-webhooks"; empty where it is none of the
// bridge's. It may be one that this version does not know.
func FamilyOf(dataSchema string) string {
	if name, ok := strings.CutPrefix(dataSchema, URN("")); ok {
		return name
	}
	if name := family(dataSchema); strings.HasSuffix(dataSchema, Path(name)) {
		return name
	}
	return ""
}
