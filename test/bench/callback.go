package main

import (
	"fmt"
	"strings"

	"github.com/crm-bridge/crm-bridge/test/bench/load"
)

// callback is a kind of callback; all have the same body.
type callback struct {
	name       string
	path       string
	header     string // what authenticates it, if that is not in the body
	repeatable bool   // its event's id enters the duplicates window
}

// callbacks are the kinds that can be measured. The first is the default, and costs the bridge more: its event's id is a digest of what
// changed, and the stream looks for an earlier event with that id.
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

// workload is what is sent to a subject.
type workload struct {
	connections int
	size        int  // of a body, in bytes; 0: without longer values than usual
	ids         int  // how many records a callback names
	perRecord   bool // the bridge makes an event for each of them
}

// body returns a notification of Zoho CRM about changed fields of leads; its members and their order are Zoho's.
func (w workload) body() string {
	ids, values, fields := make([]string, w.ids), make([]string, w.ids), make([]string, w.ids)
	for i := range w.ids {
		id := fmt.Sprintf("5725%03d", i) + load.Number
		ids[i] = `"` + id + `"`
		values[i] = `{"record_id":"` + id + `","values":{"Mobile":"+49 151 23456789","Email":"ada.lovelace@example.com","Lead_Status":"Contacted","City":"Berlin"}}`
		fields[i] = `{"` + id + `":["Mobile","Email","Lead_Status","City"]}`
	}
	whole := func(values string) string {
		return `{"server_time":1718115953625,"affected_values":[` + values + `],"query_params":{},"module":"Leads",` +
			`"resource_uri":"https://www.zohoapis.com/crm/v2/Leads","ids":[` + strings.Join(ids, ",") + `],"affected_fields":[` +
			strings.Join(fields, ",") + `],"operation":"update","channel_id":"` + channel + `","token":"` + token + `"}`
	}
	least := strings.Join(values, ",")
	missing := w.size - len(whole(least))
	return whole(strings.TrimSuffix(least, "}}") + moreFields(missing) + "}}")
}

// A field that lengthens a body.
const (
	fieldName = `,"Note_0000":"`
	fieldText = `Ada asked for an offer for 40 seats; call her back on Thursday. `
)

// moreFields returns members of an object of that many bytes, with values of about 600 bytes.
func moreFields(size int) string {
	var more strings.Builder
	for i := 0; more.Len()+len(fieldName) < size; i++ {
		value := min(10*len(fieldText), size-more.Len()-len(fieldName)-1)
		if rest := size - more.Len() - len(fieldName) - 1 - value; rest <= len(fieldName) {
			value += rest
		}
		_, _ = fmt.Fprintf(&more, `,"Note_%04d":"%s"`, i, strings.Repeat(fieldText, 12)[:value])
	}
	return more.String()
}

// request returns the callback as an HTTP request.
func (c callback) request(host string, w workload) []byte {
	body := w.body()
	return fmt.Appendf(nil, "POST %s HTTP/1.1\r\nHost: %s\r\nContent-Type: application/json\r\n%sContent-Length: %d\r\n\r\n%s",
		c.path, host, c.header, len(body), body)
}

// named returns the callback with a name.
func named(name string) (callback, error) {
	for _, c := range callbacks {
		if c.name == name {
			return c, nil
		}
	}
	return callback{}, fmt.Errorf("-callback: unknown kind %q; use notification or webhook", name)
}
