package asyncapi_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/crm-bridge/crm-bridge/schemas"
	"github.com/crm-bridge/crm-bridge/schemas/asyncapi"
)

// A bridge that keeps no records, or none of a CRM's modules, describes none.
func TestRecordsThatAreNotKept(t *testing.T) {
	for _, kept := range [][]string{nil, {"acme.Deals", "zoho", "zoho.", "zoho.De als", "zoho.<b>", "zoho.Deals.edit", ".Deals", ""}} {
		for _, binary := range []bool{false, true} {
			b := bridge(binary)
			b.Records = kept
			text, document := written(t, b)
			d, err := asyncapi.New(b)
			if err != nil {
				t.Fatal(err)
			}
			page, _, err := d.Page()
			if err != nil {
				t.Fatal(err)
			}
			for _, unwanted := range []string{"crm-records.", "CRM_RECORDS", "record-event", `"#records"`} {
				if strings.Contains(string(text), unwanted) || strings.Contains(string(page), unwanted) {
					t.Errorf("%q, binary %t: %s is described", kept, binary, unwanted)
				}
			}
			if at(document, "components", "messages", schemas.RecordFamily) != nil {
				t.Errorf("%q, binary %t: there is a message", kept, binary)
			}
		}
	}
}

// The modules whose records are kept are named, each once.
func TestRecordsAreNamed(t *testing.T) {
	_, document := written(t, bridge(true))
	channel := at(document, "channels", "records")
	names := func(tags any) (all []any) {
		for _, tag := range tags.([]any) {
			all = append(all, at(tag, "name"))
		}
		return all
	}
	got := map[string]any{
		"providers": at(channel, "parameters", "provider", "examples"), "modules": at(channel, "parameters", "module", "examples"),
		"channel": names(at(channel, "tags")), "message": names(at(document, "components", "messages", "record", "tags")),
	}
	crms := []any{"bitrix24", "zoho"}
	want := map[string]any{"providers": crms, "channel": crms, "message": crms, "modules": []any{"Contacts", "Deal", "Deals"}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if text := at(document, "info", "description").(string); !strings.Contains(text, "`CRM_RECORDS` holds the current records of bitrix24.Deal, zoho.Contacts, zoho.Deals.") {
		t.Error(text)
	}
}

// A record's message has no header for a repeat or a trace: its stream knows neither.
func TestHeadersOfRecords(t *testing.T) {
	for _, binary := range []bool{false, true} {
		_, document := written(t, bridge(binary))
		for name, want := range map[string]bool{"record": false, "zoho-records": true} {
			headers := at(document, "components", "messages", name, "headers", "properties")
			for _, header := range []string{"Nats-Msg-Id", "traceparent"} {
				if got := at(headers, header) != nil; got != want {
					t.Errorf("%s, binary %t: %s is described: %t", name, binary, header, got)
				}
			}
		}
	}
}

// The data of the example is the first example of the schema, and the schemas accept it.
func TestExampleOfRecords(t *testing.T) {
	set, err := schemas.Load()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile("examples/record.json")
	if err != nil {
		t.Fatal(err)
	}
	var e struct{ Data any }
	if err := json.Unmarshal(text, &e); err != nil {
		t.Fatal(err)
	}
	_, raw, _ := set.Document(schemas.Path(schemas.RecordFamily))
	var schema struct{ Examples []any }
	if err := json.Unmarshal(raw, &schema); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(schema.Examples[0], e.Data); diff != "" {
		t.Error(diff)
	}
}
