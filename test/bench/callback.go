package main

import "fmt"

// callback is a way in which the same 500 bytes reach the bridge.
type callback struct {
	name       string
	path       string
	header     string // what proves it, if that is not in the body
	repeatable bool   // its event's id enters the duplicates window
}

// callbacks are the ways that can be measured; the first is measured by default, and costs the bridge more: its event's
// id is a digest of what changed, and the stream looks for an earlier event of that id.
var callbacks = []callback{
	{name: "notification", path: "/zoho/notifications", repeatable: true},
	{name: "webhook", path: "/zoho/webhooks/Leads/edit", header: "X-Webhook-Secret: " + secret + "\r\n"},
}

// What authenticates the callbacks of this program.
const (
	channel = "1000000068001"
	token   = "a-token-of-this-benchmark-alone"
	secret  = "a-secret-of-this-benchmark-alone"
)

// environment makes a bridge accept them.
var environment = []string{"BRIDGE_ZOHO_TOKENS=" + channel + ":" + token, "BRIDGE_ZOHO_WEBHOOK_SECRET=" + secret}

// What becomes of them.
const (
	eventSubject = "crm.zoho.Leads.edit"
	eventSource  = "https://www.zohoapis.com/crm/v2/Leads"
)

// record stands for the number of a record; all numbers are as long.
const record = "5725767RRRRRRRRRRRR"

// body is a notification of Zoho CRM about changed fields of a lead; its members and their order are Zoho's.
const body = `{"server_time":1718115953625,"affected_values":[{"record_id":"` + record + `","values":{"Mobile":"+49 151 23456789",` +
	`"Email":"ada.lovelace@example.com","Lead_Status":"Contacted","City":"Berlin"}}],"query_params":{},"module":"Leads",` +
	`"resource_uri":"https://www.zohoapis.com/crm/v2/Leads","ids":["` + record + `"],"affected_fields":[{"` + record +
	`":["Mobile","Email","Lead_Status","City"]}],"operation":"update","channel_id":"` + channel + `","token":"` + token + `"}`

// request is the callback as it goes over the wire.
func (c callback) request(host string) []byte {
	return fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\n%sContent-Length: %d\r\n\r\n%s",
		c.path, host, c.header, len(body), body)
}

// named returns the callback of a name.
func named(name string) (callback, error) {
	for _, c := range callbacks {
		if c.name == name {
			return c, nil
		}
	}
	return callback{}, fmt.Errorf("-callback: there is no %q; there are notification and webhook", name)
}
