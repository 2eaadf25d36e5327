package replay

import (
	"testing"

	"github.com/crm-bridge/crm-bridge/publish"
	"github.com/crm-bridge/crm-bridge/schemas/cloudevent"
)

// An account selects its own events alone, in both content modes, together with what else is selected; what is not an event is of no
// account.
func TestSelectionByAccount(t *testing.T) {
	e := cloudevent.Event{
		ID: "1", Type: "crm.zoho.Deals.edit", Source: "https://crm.test/Deals", Data: []byte(`{"ids":["7"]}`),
		Extensions: []cloudevent.Extension{{Name: "crmaccount", Value: "emea"}, {Name: "crmorigin", Value: "live"}},
	}
	for _, mode := range []publish.Mode{publish.Structured, publish.Binary} {
		message := publish.Message("crm.zoho.Deals.edit", &e, mode)
		stored := publish.Stored{Header: message.Header, Data: message.Data}
		for selected, want := range map[Selection]bool{
			{}:                                    true,
			{Account: "emea"}:                     true,
			{Account: "em"}:                       false,
			{Account: "default"}:                  false,
			{Account: "emea", Record: "7"}:        true,
			{Account: "emea", Record: "8"}:        false,
			{Account: "emea", Origin: "backfill"}: false,
			{Account: "us", Origin: "live"}:       false,
		} {
			if got := selected.Matches(stored); got != want {
				t.Errorf("%s: %+v selects it: %v", mode, selected, got)
			}
		}
	}
	if (Selection{Account: "emea"}).Matches(publish.Stored{Data: []byte(`{"crmaccount":"emea"}`)}) {
		t.Error("what is not an event is selected")
	}
}

// A job of one account is not resumed with another.
func TestJobKnowsItsAccount(t *testing.T) {
	was, now := Request{Account: "emea"}, Request{Account: "us"}
	if got := was.Differences(now); len(got) != 1 || got[0] != (Difference{"account", "emea", "us"}) {
		t.Errorf("they differ in %v", got)
	}
}
