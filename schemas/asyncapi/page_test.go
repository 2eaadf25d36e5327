package asyncapi_test

import (
	"strings"
	"testing"

	"github.com/crm-bridge/crm-bridge/schemas/asyncapi"
)

// The page fetches and runs nothing: its policy allows its own style alone, and nothing in it asks for more.
func TestPageIsAlone(t *testing.T) {
	b := bridge(false)
	b.Version, b.Servers[0].Description = `<script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`
	d, err := asyncapi.New(b)
	if err != nil {
		t.Fatal(err)
	}
	page, policy, err := d.Page()
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(policy, "default-src 'none'; style-src 'sha256-") || strings.Contains(policy, "unsafe") {
		t.Errorf("policy %s", policy)
	}
	for _, unwanted := range []string{"<script", "<img", "<link", "<iframe", "style=", "@import", "url("} {
		if strings.Contains(string(page), unwanted) {
			t.Errorf("the page has %s", unwanted)
		}
	}
	for _, wanted := range []string{"crm.zoho.Deals.won", "5725767000003000010", "native.operation", "nats://{host}:4222", "crm.example.com", "CRM_RECORDS", `id="record"`, "object or null", "causes[].sequence", `<html lang="en">`, "<caption>"} {
		if !strings.Contains(string(page), wanted) {
			t.Errorf("the page lacks %s", wanted)
		}
	}
}
