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
	default:
		fmt.Println("a webhook, or a family of a later version")
	}
	// Output: a callback
}
