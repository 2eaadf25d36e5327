package schemas

import (
	"encoding/json"
	"time"
)

// Change is the data of an event: what changed in a CRM. Every family decodes into it; a field that a family does not have,
// or that the CRM did not tell, is zero.
//
//	var change schemas.Change
//	err := json.Unmarshal(e.Data(), &change)
//
// Members that it does not know are left out, so that it reads what later versions of the bridge add to a family.
type Change struct {
	// Provider is the CRM: "zoho" or "bitrix24".
	Provider string `json:"provider"`

	// Account is whose data it is. Zoho: BRIDGE_ZOHO_ACCOUNT. Bitrix24: the portal's member_id, from auth[member_id];
	// "default" where a workflow sent none.
	Account string `json:"account"`

	// Channel is the notification channel's id, every digit of channel_id. Only zoho-notifications has it.
	Channel string `json:"channel,omitzero"`

	// Module is what kind of record it is, as the CRM's API writes it. Zoho: module of a notification, the path of a
	// webhook. Bitrix24: the entity in the event's name, without dots; the type in a workflow's document_id[2].
	Module string `json:"module"`

	// Operation is Create, Edit or Delete, or a word of the CRM's or of a webhook's author, in camelCase: it is an open list.
	// Native.Operation is the word that came.
	Operation string `json:"operation"`

	// IDs are those of the records, as strings: Zoho's pass 2^53. Zoho: ids of a notification, a parameter of a webhook.
	// Bitrix24: data[FIELDS][ID] of an event, document_id[2] of a workflow. Empty, and not nil, where the CRM named none.
	IDs []string `json:"ids"`

	// OccurredAt is when it changed, by the CRM's clock. Zoho: server_time of a notification; Modified_Time, Created_Time
	// or deleted_time of a record. Bitrix24: ts of an event or of a workflow's robot, or TIMESTAMP_X of an offline event;
	// updatedTime or LAST_UPDATED of a record. Zero where the CRM did not say: then only the event's time, its arrival, is known.
	OccurredAt time.Time `json:"occurredAt,omitzero"`

	// Fields are the names of the fields that changed, by record id: affected_fields of a Zoho notification. Nil where
	// unknown, which does not mean that none changed.
	Fields map[string][]string `json:"fields,omitzero"`

	// Values are what is known of each record beside its id, by record id. Each is a JSON object with every digit as it
	// came: decode it into a struct of your own. Zoho: affected_values of a notification. Bitrix24: what data[FIELDS] of an
	// event has beside ID; ENTITY_TYPE_ID of a workflow's document. Of zoho-records and bitrix24-records it is the whole
	// record as it was when it was read. Nil where the CRM sent none.
	Values map[string]json.RawMessage `json:"values,omitzero"`

	// Native is what the CRM sent.
	Native Native `json:"native"`
}

// Native is what the CRM sent, without secrets. What is in it is the CRM's, and changes when the CRM does: the
// compatibility of a schema ends at its members.
type Native struct {
	// Operation is the CRM's own word: update, ONCRMDEALUPDATE, crm.item.list; of a webhook the last step of its path.
	Operation string `json:"operation"`

	// Body is the callback as it came, or the row of a list or a queue: JSON as JSON with every digit, a form as an object of
	// its names, each with a value or a list of values. Of zoho-webhooks alone it may also be a string, which is XML or text.
	Body json.RawMessage `json:"body"`

	// Query is an object of the URL's parameters. Only webhooks have it: zoho-webhooks where the body is no form, and
	// bitrix24-workflows.
	Query json.RawMessage `json:"query,omitzero"`

	// XML is an XML body as an object, where that loses nothing. Only zoho-webhooks has it.
	XML json.RawMessage `json:"xml,omitzero"`
}

// The operations that every CRM has. Any other is the CRM's own, or that of a webhook's author.
const (
	Create = "create"
	Edit   = "edit"
	Delete = "delete"
)
