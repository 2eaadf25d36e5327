package erase_test

import (
	"encoding/json"
	"testing"

	"github.com/crm-bridge/crm-bridge/publish"
	"github.com/crm-bridge/crm-bridge/schemas/cloudevent"
)

// Where records of different types share a number, the number alone names none of them, and the whole id names one.
func TestIDOfAType(t *testing.T) {
	h := open(t)
	for _, kind := range []string{"128", "130"} {
		e := &cloudevent.Event{
			ID: kind, Type: "crm.acme.Deals.edit", Source: "https://acme.example/", Subject: "7",
			Data: []byte(`{"provider":"acme","account":"one","module":"Deals","operation":"edit","ids":["7"],"values":{"7":{"Type":"` + kind + `"}}}`),
			Extensions: []cloudevent.Extension{
				{Name: "crmaccount", Value: "one"}, {Name: "crmmodule", Value: "Deals"}, {Name: "crmoperation", Value: "edit"}, {Name: "crmprovider", Value: "acme"},
			},
		}
		h.put(publish.Message("crm.acme.Deals.edit", e, publish.Structured))
	}
	for id, want := range map[string]int{"7": 0, "128-7": 1} {
		e := h.eraser()
		e.Record.ID = id
		e.Names.RecordID = func(_, id string, values json.RawMessage) string {
			var of struct{ Type string }
			_ = json.Unmarshal(values, &of)
			return of.Type + "-" + id
		}
		if got := h.run(e, true)["CRM"]; got.Deleted != want {
			t.Errorf("%s names %d events, and not %d", id, got.Deleted, want)
		}
	}
}
