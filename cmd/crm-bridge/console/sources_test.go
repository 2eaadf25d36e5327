package console_test

import (
	"strings"
	"testing"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/console"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/status"
)

// Each source says what came of its callbacks and what authenticates them; what needs a person comes first, and an unused one last.
func TestSources(t *testing.T) {
	report := status.Report{Sources: []status.Source{
		{Label: "acme-events", LastCallback: moment(3e9), Outcomes: map[string]uint64{"accepted": 12345, "malformed": 2, "retry": 0}},
		{Label: "acme-webhooks", Outcomes: map[string]uint64{"forged": 7}, Forged: 7, Rejections: []status.Rejection{{At: *moment(0), Outcome: "forged", Status: 401, Why: "not authenticated" + hostile}}},
	}}
	r := reads(t, console.Sources(reporting(report), func() []console.Served {
		return []console.Served{
			{Label: "acme-unused", Proofs: []console.Proof{{Variable: "BRIDGE_ACME_UNUSED"}}},
			{Label: "acme-events", Routes: []string{"POST /acme/events"}, Proofs: []console.Proof{
				{Set: true, Variable: "BRIDGE_ACME_TOKEN", File: "acme-token"}, {Account: "emea", Set: true, Variable: "BRIDGE_ACME_EMEA_TOKEN"}, {Account: "us", Variable: "BRIDGE_ACME_US_TOKEN"}, {Account: "apac", Learns: true},
			}},
			{Label: "acme-webhooks", Proofs: []console.Proof{{Set: true, Variable: "BRIDGE_ACME_SECRET"}}},
		}
	}))
	page := r.sees("/console/sources",
		"<code>POST /acme/events</code>", "12\u202f345 accepted, 2 malformed", "no:0 retry", `href="/console/quarantine?source=acme-events"`, "no:quarantine?source=acme-webhooks", "Receiving",
		"first org: made by the bridge, in the file <code>acme-token</code>", "emea: set by <code>BRIDGE_ACME_EMEA_TOKEN</code>", "us: not set; it rejects everything. Set <code>BRIDGE_ACME_US_TOKEN</code>",
		"apac: learned from the CRM", "The last 7 callbacks were not authenticated", "another secret than <code>BRIDGE_ACME_SECRET</code>", "not authenticated&lt;img", "no:"+hostile, "No secret: rejects everything",
	)
	if forged, events, unused := strings.Index(page, "source-acme-webhooks"), strings.Index(page, "source-acme-events"), strings.Index(page, "source-acme-unused"); forged > events || events > unused {
		t.Errorf("they are at %d, %d, %d", forged, events, unused)
	}
}
