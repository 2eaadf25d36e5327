package schemas_test

import (
	"encoding/json"
	"fmt"

	"github.com/crm-bridge/crm-bridge/schemas"
)

// message is what a consumer reads from the stream.
var message = []byte(`{"specversion":"1.0","id":"jSz0nKdAUpfaOQ-X2P5d8V29d-GQTWVC-YucGIDTVQE","source":"https://www.zohoapis.com/crm/v2/Deals",
"type":"crm.zoho.Deals.edit","subject":"5725767000003000010","datacontenttype":"application/json","dataschema":"urn:crm-bridge:schema:v1:zoho-notifications",
"time":"2024-06-11T14:25:53.625Z","data":{"provider":"zoho","account":"default","channel":"1000000068001","module":"Deals","operation":"edit",
"ids":["5725767000003000010"],"occurredAt":"2024-06-11T14:25:53.625Z","fields":{"5725767000003000010":["Stage","Amount"]},
"values":{"5725767000003000010":{"Stage":"Closed Won","Amount":12345678901234567890.10}},"native":{"operation":"update","body":{}}},
"crmaccount":"default","crmchannel":"1000000068001","crmmodule":"Deals","crmoperation":"edit","crmorigin":"live","crmprovider":"zoho"}`)

// One event, in two lines.
func ExampleEvent() {
	var e schemas.Event
	err := json.Unmarshal(message, &e)

	fmt.Println(err, e.ID[:6], e.Origin, e.Data.Module, e.Data.Operation, e.Data.IDs)
	// Output: <nil> jSz0nK live Deals edit [5725767000003000010]
}

// The values of a record, in a struct of the consumer's own. A json.Number keeps every digit.
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

// A consumer that cares for how it was told goes by the family.
func ExampleFamilyOf() {
	var e schemas.Event
	if err := json.Unmarshal(message, &e); err != nil {
		fmt.Println(err)
	}
	switch schemas.FamilyOf(e.DataSchema) {
	case "zoho-notifications", "bitrix24-events":
		fmt.Println("the CRM told")
	case "zoho-records", "bitrix24-records":
		fmt.Println("the record was read:", e.Origin)
	default:
		fmt.Println("a webhook, or what a later version of the bridge knows")
	}
	// Output: the CRM told
}
