package schemas

import (
	"encoding/json"
	"time"
)

// Change is the data of an event: what changed in a CRM. Every family decodes into it. A field that the family does not have, or
// that the CRM did not send, is zero.
//
//	var change schemas.Change
//	err := json.Unmarshal(e.Data(), &change)
//
// Unknown members are ignored, so that events of later versions of the bridge decode too.
type Change struct {
	// Provider is the CRM: "zoho" or "bitrix24".
	Provider string `json:"provider"`

	// Account is the CRM's account. Zoho: BRIDGE_ZOHO_ACCOUNT. Bitrix24: the portal's member_id, from auth[member_id];
	// "default" if a workflow sent none.
	Account string `json:"account"`

	// Channel is the id of the notification channel, every digit of channel_id. Only zoho-notifications has it.
	Channel string `json:"channel,omitzero"`

	// Module is the type of the record, as the CRM's API writes it. Zoho: module of a notification, the path of a webhook.
	// Bitrix24: the entity in the event's name, without dots; the type in a workflow's document_id[2].
	Module string `json:"module"`

	// Operation is Create, Edit or Delete, or any other operation of the CRM or of a webhook's author, in camelCase.
	// Native.Operation is the CRM's own word.
	Operation string `json:"operation"`

	// IDs are the record ids, as strings because Zoho's exceed 2^53. Zoho: ids of a notification, a parameter of a webhook.
	// Bitrix24: data[FIELDS][ID] of an event, document_id[2] of a workflow. Empty, not nil, if the CRM sent none.
	IDs []string `json:"ids"`

	// OccurredAt is the time of the change, by the CRM's clock. Zoho: server_time of a notification; Modified_Time,
	// Created_Time or deleted_time of a record. Bitrix24: ts of an event or of a workflow's robot, or TIMESTAMP_X of an offline
	// event; updatedTime or LAST_UPDATED of a record. Zero if the CRM sent none: the event's time is then its arrival.
	OccurredAt time.Time `json:"occurredAt,omitzero"`

	// Fields are the names of the changed fields, by record id: affected_fields of a Zoho notification. Nil means unknown, not
	// unchanged.
	Fields map[string][]string `json:"fields,omitzero"`

	// Values are the known fields of each record, by record id. Each is a JSON object with every digit: decode it into a struct
	// of your own. Zoho: affected_values of a notification. Bitrix24: data[FIELDS] of an event without ID; ENTITY_TYPE_ID of a
	// workflow's document. In zoho-records and bitrix24-records it is the whole record when it was read. Nil if the CRM sent none.
	Values map[string]json.RawMessage `json:"values,omitzero"`

	// Native is what the CRM sent.
	Native Native `json:"native"`
}

// Native is what the CRM sent, without secrets. Below its members the CRM decides, so no schema promises compatibility there.
type Native struct {
	// Operation is the CRM's own word: update, ONCRMDEALUPDATE, crm.item.list; for a webhook the last step of its path.
	Operation string `json:"operation"`

	// Body is the callback verbatim, or the row of a list or a queue: JSON as JSON with every digit, a form as an object of its
	// names, each with a value or a list of values. In zoho-webhooks alone it may also be a string: XML or text.
	Body json.RawMessage `json:"body"`

	// Query is an object of the URL's parameters. Only webhooks have it: zoho-webhooks whose body is not a form, and
	// bitrix24-workflows.
	Query json.RawMessage `json:"query,omitzero"`

	// XML is an XML body as an object, if the conversion loses nothing. Only zoho-webhooks has it.
	XML json.RawMessage `json:"xml,omitzero"`
}

// The operations that all CRMs share.
const (
	Create = "create"
	Edit   = "edit"
	Delete = "delete"
)
