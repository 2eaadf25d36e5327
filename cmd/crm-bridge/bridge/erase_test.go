package bridge

import (
	"encoding/json"
	"net/url"
	"testing"

	"github.com/nats-io/nats.go"

	"github.com/crm-bridge/crm-bridge/publish"
	"github.com/crm-bridge/crm-bridge/publish/erase"
	"github.com/crm-bridge/crm-bridge/test/publishtest"
	"github.com/crm-bridge/crm-bridge/transform"
)

// A quarantined callback names the records of its changes if it can be decoded, else any id in its text, however that is encoded.
func TestCallbacksNameRecords(t *testing.T) {
	e := &eraser{crms: Known()}
	webhook := func(contentType, body string) transform.Quarantined {
		return transform.Quarantined{
			Source: "zoho-webhooks", Method: "POST", Path: "/zoho/webhooks/Contacts/edit", ContentType: contentType, Body: body,
			Params: map[string]string{"module": "Contacts", "operation": "edit"},
		}
	}
	notification := func(ids string) transform.Quarantined {
		return transform.Quarantined{
			Source: "zoho-notifications", Method: "POST", Path: "/zoho/notifications", ContentType: "application/json",
			Body: `{"module":"Contacts","ids":[` + ids + `],"operation":"update","channel_id":"1","resource_uri":"https://www.zohoapis.com/crm/v2/Contacts","note":"5757"}`,
		}
	}
	form := webhook("application/x-www-form-urlencoded", "data=%7B%22id%22%3A%225757%22%7D")
	query := webhook("application/json", "{")
	query.Query, query.RawQuery = url.Values{"record": {"[5757]"}}, "record=%5B5757%5D"
	binary := webhook("application/json", "")
	binary.BodyBase64 = []byte("{\xff\"id\":5757")
	gone := webhook("application/json", `{"id":"5757" broken`)
	gone.Org = "emea"
	unknown := webhook("application/json", `{"id":"5757"`)
	unknown.Source = "acme-webhooks"
	for name, test := range map[string]struct {
		was  transform.Quarantined
		want string // how it is erased
	}{
		"decoded":                      {notification(`"5757"`), "decoded"},
		"decoded, another record":      {notification(`"5758"`), ""},
		"not JSON":                     {webhook("application/json", `{"id":"5757" broken`), "text"},
		"not JSON, a longer id":        {webhook("application/json", `{"id":"57570" x5757 57_5757`), ""},
		"a form":                       {form, "text"},
		"the parameters":               {query, "text"},
		"not UTF-8":                    {binary, "text"},
		"an org that is not there":     {gone, "text"},
		"a source that is not there":   {unknown, ""},
		"not a callback of the bridge": {transform.Quarantined{}, ""},
	} {
		body, err := json.Marshal(test.was)
		if err != nil {
			t.Fatal(err)
		}
		_, conn := publishtest.Open(t, nil)
		if _, err := conn.JetStream().PublishMsg(t.Context(), &nats.Msg{Subject: "crm-quarantine.x", Header: nats.Header{"crm-quarantine-id": {"x"}}, Data: body}); err != nil {
			t.Fatal(err)
		}
		of := &erase.Eraser{
			Record: erase.Record{Provider: "zoho", Module: "Contacts", ID: "5757"}, Names: erase.Names{Callback: e.callback},
			Parts: []*erase.Part{{Stream: "CRM_QUARANTINE", Reach: func() (*publish.Conn, error) { return conn, nil }}},
		}
		found, err := of.Run(t.Context(), true)
		if err != nil {
			t.Fatal(err)
		}
		got := ""
		switch found[0] {
		case erase.Found{Stream: "CRM_QUARANTINE", Deleted: 1}:
			got = "decoded"
		case erase.Found{Stream: "CRM_QUARANTINE", Deleted: 1, InText: 1}:
			got = "text"
		}
		if got != test.want {
			t.Errorf("%s: it is erased as %q, not as %q: %+v", name, got, test.want, found)
		}
	}
}
