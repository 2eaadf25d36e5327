package schemas

import (
	"encoding/json"
	"time"
)

// Change is the data of an event: what changed in a CRM. Every family but RecordFamily decodes into it; a field that a family does not have,
// or that the CRM did not tell, is zero. The schema of a family says where in the callback each of its members comes from.
//
//	var change schemas.Change
//	err := json.Unmarshal(e.Data(), &change)
//
// Unknown members are ignored, so that events of later versions of the bridge decode too.
type Change struct {
	// Provider is the CRM's name, as in the event's type.
	Provider string `json:"provider"`

	// Account is whose data it is: the name of an org in the bridge's configuration, or the CRM's id of a portal. "default" where
	// the CRM sent none.
	Account string `json:"account"`

	// Channel is the id of the subscription that sent it, every digit of it. Empty where the CRM does not say.
	Channel string `json:"channel,omitzero"`

	// Module is what kind of record it is, as the CRM's API writes it.
	Module string `json:"module"`

	// Operation is Create, Edit or Delete, or any other operation of the CRM or of a webhook's author, in camelCase.
	// Native.Operation is the CRM's own word.
	Operation string `json:"operation"`

	// IDs are those of the records, as strings, for some pass 2^53. Empty, and not nil, where the CRM named none.
	IDs []string `json:"ids"`

	// OccurredAt is when it changed, by the CRM's clock. Zero where the CRM did not say: then only the event's time, its arrival,
	// is known.
	OccurredAt time.Time `json:"occurredAt,omitzero"`

	// ChangedBy is the CRM's id of who changed it. Empty where the CRM did not say.
	ChangedBy string `json:"changedBy,omitzero"`

	// Fields are the names of the fields that changed, by record id. Nil where unknown, which does not mean that none changed.
	Fields map[string][]string `json:"fields,omitzero"`

	// Values are what is known of each record beside its id, by record id. Each is a JSON object with every digit as it
	// came: decode it into a struct of your own. Of a family <provider>-records it is the whole record as it was when it was read.
	// Nil where the CRM sent none.
	Values map[string]json.RawMessage `json:"values,omitzero"`

	// Previous are the old values of the fields that changed, by record id; of a deletion, what is known of the record's last state. Each
	// is a JSON object. Nil where the CRM did not tell them.
	Previous map[string]json.RawMessage `json:"previous,omitzero"`

	// Native is what the CRM sent.
	Native Native `json:"native"`
}

// Native is what the CRM sent, without secrets. Below its members the CRM decides, so no schema promises compatibility there.
type Native struct {
	// Operation is the CRM's own word, such as update or a method of its API; of a webhook the last step of its path.
	Operation string `json:"operation"`

	// Body is the callback as it came, or the row of a list or a queue: JSON as JSON with every digit, a form as an object of
	// its names, each with a value or a list of values. In some families it may also be a string, which is XML or text.
	Body json.RawMessage `json:"body"`

	// Query is an object of the URL's parameters, where they are not in Body. Only webhooks have it.
	Query json.RawMessage `json:"query,omitzero"`

	// XML is an XML body as an object, where that loses nothing.
	XML json.RawMessage `json:"xml,omitzero"`
}

// The operations that all CRMs share.
const (
	Create = "create"
	Edit   = "edit"
	Delete = "delete"
)
