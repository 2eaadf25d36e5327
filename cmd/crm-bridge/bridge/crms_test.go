package bridge

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/schemas"
)

// Every schema of changes is that of a source, or of the records of a CRM, and the other way round.
func TestEverySchemaHasItsCRM(t *testing.T) {
	set, err := schemas.Load()
	if err != nil {
		t.Fatal(err)
	}
	families := Known().Labels()
	for _, crm := range Known().Callable() {
		families = append(families, crm.RecordsLabel())
	}
	slices.Sort(families)
	if diff := cmp.Diff(set.Changes(), families); diff != "" {
		t.Error(diff)
	}
}

// Where subscriptions are explained, each CRM is named with the variables that its subscriptions need, which may be others than those of
// its records; a CRM without subscriptions is not named.
func TestNoChannelsNamesWhatSubscribes(t *testing.T) {
	crms := CRMs{
		{Provider: "lists", Words: ingest.Words{Credentials: []string{"BRIDGE_LISTS_API_TOKEN"}}},
		{Provider: "subscribes", Words: ingest.Words{Credentials: []string{"BRIDGE_SUBSCRIBES_API_TOKEN"}, Wanted: "BRIDGE_SUBSCRIBES_EVENTS"}},
		{Provider: "apart", Words: ingest.Words{Credentials: []string{"BRIDGE_APART_API_TOKEN"}, Subscriber: []string{"BRIDGE_APART_CLIENT_ID"}, Wanted: "BRIDGE_APART_EVENTS"}},
	}
	want := "this bridge keeps no subscriptions; set for subscribes BRIDGE_SUBSCRIBES_API_TOKEN and BRIDGE_SUBSCRIBES_EVENTS; " +
		"for apart BRIDGE_APART_CLIENT_ID and BRIDGE_APART_EVENTS"
	if got := crms.noChannels(); got != want {
		t.Error(got)
	}
}
