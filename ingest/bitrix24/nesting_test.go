package bitrix24_test

import (
	"testing"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/bitrix24"
	"github.com/crm-bridge/crm-bridge/ingest/ingesttest"
)

// An event or a workflow's callback that nests too deep is authenticated and malformed.
func TestNesting(t *testing.T) {
	events, workflows := open(t, openEvents), open(t, openWorkflows)
	ingesttest.Nesting(t, events, func(value string) ingest.Callback {
		return eventCallback([]byte(`{"event":"ONCRMDEALADD","x":` + value + `,"data":{"FIELDS":{"ID":"1"}},"auth":{"member_id":"` + member + `","application_token":"` + token + `"}}`))
	}, encoded(mapping(t, bitrix24.EventsLabel, events)))
	ingesttest.Nesting(t, workflows, func(value string) ingest.Callback {
		return workflowCallback("add", []byte(`{"document_id":["crm","CCrmDocumentDeal","DEAL_1"],"x":`+value+`}`), "secret="+workflowSecret)
	}, encoded(mapping(t, bitrix24.WorkflowsLabel, workflows)))
}
