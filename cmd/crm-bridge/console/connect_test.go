package console_test

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/console"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/status"
	"github.com/crm-bridge/crm-bridge/ingest"
)

// connects are pages of two orgs of a CRM, the second of which has no secret yet.
func connects() console.ConnectPages {
	step := ingest.Instruction{Source: "acme-webhooks", Heading: "Setup → Webhooks", Text: "Add one. " + hostile, Paste: []ingest.Paste{
		{Name: "URL", Value: "https://crm.test/acme?a=b&c=d", Kind: ingest.PasteURL}, {Name: "Secret", Value: "the-secret-of-acme", Kind: ingest.PasteToken, Secret: true},
	}}
	setting := step
	setting.Set = []ingest.Setting{{Variable: "BRIDGE_ACME_EMEA_SECRET", Value: "a-made-secret", Secret: true}, {Variable: "BRIDGE_ACME_EMEA_ID", From: "the app's page"}}
	return console.ConnectPages{
		Report: reporting(status.Report{Sources: []status.Source{{Label: "acme-webhooks", LastCallback: moment(time.Minute)}, {Label: "acme-events", Forged: 4}}}),
		Connections: func() ([]console.Connection, error) {
			return []console.Connection{
				{Provider: "acme", Name: "Acme", Account: "default", PublicURL: "https://crm.test", Doubt: "most CRMs call https URLs only", Steps: []ingest.Instruction{step, {Source: "acme-events", Heading: "Events", Done: true}, {Source: "acme-others", Heading: "Others"}}},
				{Provider: "acme", Name: "Acme", Account: "emea", PublicURL: "https://crm.example.com", Placeholder: true, Steps: []ingest.Instruction{setting}},
			}, nil
		},
		Check: func(_ context.Context, provider, account string) (string, error) {
			if provider != "acme" || account != "default" {
				return "", errors.New("another program answers there")
			}
			return "", nil
		},
	}
}

// Whether the public URL leads to the bridge is checked when somebody asks, and doubts about it are shown before.
func TestCheckOfThePublicURL(t *testing.T) {
	r := reads(t, connects().Pages()...)
	r.sees("/console/connect/crm?provider=acme&account=default", "Check the public URL", "Most CRMs call https URLs only.")
	r.sees("/console/connect/crm?provider=acme&account=emea", "no:Check the public URL")
	if code, page := r.posts("/console/connect/crm/check", url.Values{"provider": {"acme"}, "account": {"default"}}); code != http.StatusOK || !strings.Contains(page, "This bridge answers at https://crm.test.") {
		t.Errorf("%d %s", code, page)
	}
	if code, page := r.posts("/console/connect/crm/check", url.Values{"provider": {"acme"}, "account": {"emea"}}); code != http.StatusBadGateway || !strings.Contains(page, "Another program answers there.") {
		t.Errorf("%d %s", code, page)
	}
}

// What to paste is shown for each org, with its secrets hidden until somebody asks for them with a form of their session.
func TestConnect(t *testing.T) {
	r := reads(t, connects().Pages()...)
	r.sees("/console/connect", `href="/console/connect/crm?account=emea&amp;provider=acme"`, "Receiving</span> last", "Waiting for the first callback", "Not authenticated</span> 4 in a row", "BRIDGE_PUBLIC_URL is not set")
	const at = "/console/connect/crm?account=emea&provider=acme"
	hidden := r.sees(at, "<h1>Connect Acme</h1>", "Account <strong>emea</strong>", ">https://crm.test/acme?a=b&amp;c=d</pre>", "BRIDGE_ACME_EMEA_SECRET=••••••••", "# the app&#39;s page\nBRIDGE_ACME_EMEA_ID=…", "&lt;img", "no:"+hostile, "Show secrets",
		`data-copy="paste-1-0"`, "no:data-copy=\"paste-1-1\"", "no:data-copy=\"set-1\"", "https://crm.example.com stands for")
	r.has(hidden, "no:the-secret-of-acme", "no:a-made-secret")
	code, shown := r.posts("/console/connect/crm/show", url.Values{"provider": {"acme"}, "account": {"emea"}})
	r.has(shown, ">the-secret-of-acme</pre>", "BRIDGE_ACME_EMEA_SECRET=a-made-secret", "Secrets are shown.", `data-refresh="5" data-from="/console/connect/crm?account=emea&amp;provider=acme"`, `data-copy="paste-1-1"`)
	if code != http.StatusOK {
		t.Errorf("shown: %d", code)
	}
	if code, page := r.ask(r.posting("/console/connect/crm/show", url.Values{"provider": {"acme"}, "account": {"emea"}})); code != http.StatusForbidden || strings.Contains(page, "the-secret") {
		t.Errorf("without the token of the session: %d %s", code, page)
	}
	if code, page := r.get("/console/connect/crm/show?provider=acme&account=emea"); strings.Contains(page, "the-secret") || code == http.StatusOK {
		t.Errorf("asked for by a link: %d %s", code, page)
	}
	if code, _ := r.get("/console/connect/crm?provider=acme&account=none"); code != http.StatusNotFound {
		t.Errorf("another org: %d", code)
	}
}
