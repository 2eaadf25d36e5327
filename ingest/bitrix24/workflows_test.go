package bitrix24_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/crm-bridge/crm-bridge/ingest"
)

// Every outgoing webhook of testdata becomes the event of its golden file.
func TestWorkflowsBecomeEvents(t *testing.T) {
	s := open(t, openWorkflows)
	operations := map[string]string{"workflow-deal.form": "add", "workflow-dynamic-item.json": "approved", "workflow-smart-invoice.form": "Update"}
	queries := map[string]string{"workflow-smart-invoice.form": "stage=DT31_1%3AN&sum=100.10&"}
	for _, name := range samples(t, "workflow", len(operations)) {
		t.Run(name, func(t *testing.T) {
			golden(t, s, workflowCallback(operations[name], read(t, name), queries[name]+"secret="+workflowSecret), name)
		})
	}
}

// Only the secret in the URL proves a workflow's webhook.
func TestWorkflowsVerify(t *testing.T) {
	s := open(t, openWorkflows)
	for query, genuine := range map[string]bool{
		"secret=" + workflowSecret:       true,
		"secret=the-old-workflow-secret": true,
		"":                               false,
		"title=50%&secret=" + workflowSecret + "&u=%u041F&%ff=\xfc&a;b": true,
		"secret=%&secret=" + workflowSecret:                             false,
		"secret=":                                                       false,
		"secret=wrong":                                                  false,
		"secret=wrong&secret=" + workflowSecret:                         false,
		"token=" + workflowSecret:                                       false,
		"secret=" + token:                                               false,
	} {
		err := s.Verify(t.Context(), workflowCallback("add", []byte("secret="+workflowSecret+"&document_id[2]=DEAL_1"), query))
		if genuine && err != nil || !genuine && !errors.Is(err, ingest.ErrForged) {
			t.Errorf("%q: %v", query, err)
		}
	}
}

// With nothing configured the made secret works; a bridge that may not make one refuses all.
func TestMadeWorkflowSecret(t *testing.T) {
	s, err := openWorkflows(setup(nil, nil))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Verify(t.Context(), workflowCallback("add", nil, "secret=made+for+bitrix24-workflow-secret")); err != nil {
		t.Error(err)
	}
	without := setup(nil, nil)
	without.MadeSecret = func(string) (string, error) { return "", nil }
	if s, err = openWorkflows(without); err != nil {
		t.Fatal(err)
	}
	if err := s.Verify(t.Context(), workflowCallback("add", nil, "secret=")); !errors.Is(err, ingest.ErrForged) {
		t.Errorf("not refused: %v", err)
	}
	if _, err := s.(ingest.Sampler).Sample(ingest.Change{Module: "Deal", Operation: "edit", IDs: []string{"1"}}, ""); err == nil || !strings.Contains(err.Error(), "BRIDGE_BITRIX24_WORKFLOW_SECRET") {
		t.Errorf("the error does not name the variable: %v", err)
	}
}

// The third part of document_id names module and record.
func TestDocuments(t *testing.T) {
	s := open(t, openWorkflows)
	for document, want := range map[string]string{
		"LEAD_1": "Lead 1", "DEAL_54": "Deal 54", "CONTACT_3": "Contact 3", "COMPANY_4": "Company 4", "ORDER_5": "Order 5", "QUOTE_6": "Quote 6",
		"INVOICE_7": "Invoice 7", "SMART_INVOICE_8": "SmartInvoice 8", "SMART_B2E_DOC_9": "SmartB2eDoc 9", "deal_10": "Deal 10",
		"DYNAMIC_1032_21": "DynamicItem 21", "DEAL_12345678901234567890": "Deal 12345678901234567890", "DYNAMIC_5": "Dynamic 5",
	} {
		for _, body := range []string{
			"document_id[0]=crm&DOCUMENT_ID[2]=" + document, `{"document_id":["crm","x","` + document + `"]}`, `{"Document_Id":{"2":"` + document + `"}}`,
		} {
			changes, err := s.Decode(workflowCallback("Approved", []byte(body), ""))
			if err != nil || len(changes) != 1 {
				t.Fatalf("%s: %d changes, %v", body, len(changes), err)
			}
			got := changes[0]
			if got.Module+" "+strings.Join(got.IDs, " ") != want || got.Operation != "approved" || got.NativeOperation != "Approved" || got.Account != "default" {
				t.Errorf("%s became %+v", body, got)
			}
			if got.Collection != "/bitrix24/workflows/"+got.Module {
				t.Errorf("collection %s", got.Collection)
			}
			if typed := string(got.Values["21"]); document == "DYNAMIC_1032_21" && typed != `{"ENTITY_TYPE_ID":"1032"}` {
				t.Errorf("values %s", typed)
			}
		}
	}
}

// What no workflow would send, though it was proven, is malformed.
func TestWorkflowsDecodeRefuses(t *testing.T) {
	s := open(t, openWorkflows)
	for name, test := range map[string]struct{ operation, body string }{
		"nothing":                    {"add", ""},
		"no document_id":             {"add", "a=1"},
		"document_id of two parts":   {"add", "document_id[0]=crm&document_id[1]=CCrmDocumentDeal"},
		"document_id without an id":  {"add", "document_id[2]=DEAL"},
		"document_id without a type": {"add", "document_id[2]=54"},
		"document_id with a word":    {"add", "document_id[2]=DEAL_x"},
		"document_id with a dot":     {"add", "document_id[2]=DE.AL_1"},
		"document_id with a line":    {"add", "document_id[2]=DEAL_1%0A"},
		"document_id of two numbers": {"add", "document_id[2]=FOO_1_2"},
		"document_id said twice":     {"add", "document_id[2]=DEAL_1&Document_id[2]=DEAL_2"},
		"document_id a number":       {"add", `{"document_id":["crm","x",54]}`},
		"document_id a string":       {"add", `{"document_id":"DEAL_54"}`},
		"module too long":            {"add", "document_id[2]=" + strings.Repeat("A", 101) + "_1"},
		"operation with a dot":       {"a.b", "document_id[2]=DEAL_1"},
		"operation empty":            {"", "document_id[2]=DEAL_1"},
		"member_id with a space":     {"add", "document_id[2]=DEAL_1&auth[member_id]=a+b"},
		"member_id said twice":       {"add", "document_id[2]=DEAL_1&auth[member_id]=a&auth[member_id]=b"},
		"document_id cut off":        {"add", "document_id[2]=DEAL_"},
		"document_id a merge field":  {"add", "document_id[2]=DEAL_{=Document:ID}"},
		"not JSON":                   {"add", `{"document_id":["crm","x","DEAL_54"]`},
		"JSON that is not UTF-8":     {"add", `{"document_id":["crm","x","DEAL_54"],"a":"` + "\xff" + `"}`},
	} {
		t.Run(name, func(t *testing.T) {
			operation, query, _ := strings.Cut(test.operation, "?")
			changes, err := s.Decode(workflowCallback(operation, []byte(test.body), query))
			if !errors.Is(err, ingest.ErrMalformed) {
				t.Errorf("decoded to %+v, %v", changes, err)
			}
		})
	}
}
