package schemas_test

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/crm-bridge/crm-bridge/schemas"
)

// message is a message of the stream.
var message = []byte(`{"specversion":"1.0","id":"jSz0nKdAUpfaOQ-X2P5d8V29d-GQTWVC-YucGIDTVQE","source":"https://www.zohoapis.com/crm/v2/Deals",
"type":"crm.zoho.Deals.edit","subject":"5725767000003000010","datacontenttype":"application/json","dataschema":"urn:crm-bridge:schema:v1:zoho-notifications",
"time":"2024-06-11T14:25:53.625Z","data":{"provider":"zoho","account":"default","channel":"1000000068001","module":"Deals","operation":"edit",
"ids":["5725767000003000010"],"occurredAt":"2024-06-11T14:25:53.625Z","fields":{"5725767000003000010":["Stage","Amount"]},
"values":{"5725767000003000010":{"Stage":"Closed Won","Amount":12345678901234567890.10}},"native":{"operation":"update","body":{}}},
"crmaccount":"default","crmchannel":"1000000068001","crmmodule":"Deals","crmoperation":"edit","crmorigin":"live","crmprovider":"zoho"}`)

// recordMessage is a message of the stream of records.
var recordMessage = []byte(`{"specversion":"1.0","id":"019077a0-6c0e-7d52-9f0e-0e4ba3a0a9c1","source":"https://www.zohoapis.com/crm/v8/Deals",
"type":"crm.record.zoho.Deals","subject":"5725767000003000010","datacontenttype":"application/json","dataschema":"urn:crm-bridge:schema:v1:record",
"time":"2024-06-11T14:25:53Z","data":{"provider":"zoho","account":"default","module":"Deals","id":"5725767000003000010","operation":"edit",
"before":{"id":"5725767000003000010","Stage":"Negotiation","Amount":12345678901234567890.10},
"after":{"id":"5725767000003000010","Stage":"Closed Won","Amount":12345678901234567890.10},"changed":["Stage"],"modifiedAt":"2024-06-11T14:25:53Z",
"causes":[{"id":"jSz0nKdAUpfaOQ-X2P5d8V29d-GQTWVC-YucGIDTVQE","sequence":7405}]},"crmaccount":"default","crmmodule":"Deals","crmoperation":"edit",
"crmprovider":"zoho","partitionkey":"zoho/default/Deals/5725767000003000010","recordedtime":"2024-06-11T14:25:54.2Z"}`)

// Decode a message.
func ExampleEvent() {
	var e schemas.Event
	if err := json.Unmarshal(message, &e); err != nil {
		fmt.Println(err)
	}
	fmt.Println(e.ID[:6], e.Origin, e.Data.Module, e.Data.Operation, e.Data.IDs)
	// Output: jSz0nK live Deals edit [5725767000003000010]
}

// Check the data of a message against the schema of its family.
func ExampleLoad() {
	set, err := schemas.Load()
	if err != nil {
		fmt.Println(err)
	}
	var e struct {
		DataSchema string
		Data       json.RawMessage
	}
	if err := json.Unmarshal(message, &e); err != nil {
		fmt.Println(err)
	}
	family := schemas.FamilyOf(e.DataSchema)
	fmt.Println(family, set.Check(family, e.Data))
	fmt.Println(set.Check(family, bytes.Replace(e.Data, []byte(`"ids":[`), []byte(`"ids":[7,`), 1)))
	// Output:
	// zoho-notifications <nil>
	// at '/ids/0': must be of the type string
}

// Decode the values of a record into a struct of your own. A json.Number keeps every digit.
func ExampleChange() {
	var e schemas.Event
	if err := json.Unmarshal(message, &e); err != nil {
		fmt.Println(err)
	}
	for _, id := range e.Data.IDs {
		var deal struct {
			Stage  string
			Amount json.Number
		}
		if values, known := e.Data.Values[id]; known {
			if err := json.Unmarshal(values, &deal); err != nil {
				fmt.Println(err)
			}
		}
		fmt.Println(id, e.Data.Fields[id], deal.Stage, deal.Amount, e.Data.OccurredAt.Format("15:04:05"))
	}
	// Output: 5725767000003000010 [Stage Amount] Closed Won 12345678901234567890.10 14:25:53
}

// Keep a table of records: a state replaces the row of its record, and a deletion removes it.
func ExampleRecordEvent() {
	var e schemas.RecordEvent
	if err := json.Unmarshal(recordMessage, &e); err != nil {
		fmt.Println(err)
	}
	type deal struct {
		Stage  string
		Amount json.Number
	}
	table := map[string]deal{}
	if e.Data.After == nil {
		delete(table, e.PartitionKey)
	} else {
		var row deal
		if err := json.Unmarshal(e.Data.After, &row); err != nil {
			fmt.Println(err)
		}
		table[e.PartitionKey] = row
	}
	fmt.Println(table, e.Data.Changed)
	// Output: map[zoho/default/Deals/5725767000003000010:{Closed Won 12345678901234567890.10}] [Stage]
}

// Distinguish callbacks, records that were read, and families of later versions.
func ExampleFamilyOf() {
	var e schemas.Event
	if err := json.Unmarshal(message, &e); err != nil {
		fmt.Println(err)
	}
	switch schemas.FamilyOf(e.DataSchema) {
	case "zoho-notifications", "bitrix24-events":
		fmt.Println("a callback")
	case "zoho-records", "bitrix24-records":
		fmt.Println("a record that was read:", e.Origin)
	case schemas.RecordFamily:
		fmt.Println("a record's state: decode it into a RecordEvent")
	default:
		fmt.Println("a webhook, or a family of a later version")
	}
	// Output: a callback
}
