package bitrix24

import (
	"cmp"
	"fmt"
	"net/url"
	"strings"

	"github.com/crm-bridge/crm-bridge/ingest"
)

// connect returns how a Bitrix24 portal is made to call the bridge: by an application whose events the bridge binds, by an outgoing
// webhook, and by workflows.
func (c Config) connect(events *Events, w *workflows) func(ingest.Connecting) ([]ingest.Instruction, error) {
	return func(to ingest.Connecting) (steps []ingest.Instruction, err error) {
		if err := ingest.CheckModule(cmp.Or(to.Module, sampleModule)); err != nil {
			return nil, fmt.Errorf("the module %q: %w", to.Module, err)
		}
		names, err := c.connectEvents(to, events.table)
		if err != nil && (to.Operation == "" || to.Reports()) {
			return nil, fmt.Errorf("%s.%s %w", cmp.Or(to.Module, "Deal"), cmp.Or(to.Operation, "all"), err)
		}
		if err == nil {
			application := c.connectApplication(to, names)
			if steps = append(steps, application); len(application.Set) > 0 {
				steps = append(steps, c.connectWebhook(to, names))
			}
		}
		workflow, err := w.connect(to)
		return append(steps, workflow), err
	}
}

// connectEvents returns the names of the events that callbacks shall report.
func (c Config) connectEvents(to ingest.Connecting, table table) (Wanted, error) {
	if to.Module == "" && to.Operation == "" && len(c.Bitrix24.Events) > 0 {
		return c.Bitrix24.Events, nil
	}
	return table.wanted(cmp.Or(to.Module, "Deal") + "." + cmp.Or(to.Operation, "all"))
}

// connectApplication says how to add a local application, whose events the bridge binds by itself.
func (c Config) connectApplication(to ingest.Connecting, names Wanted) ingest.Instruction {
	config := c.Bitrix24
	const form = "the application's form, once it is saved"
	step := ingest.Instruction{
		Source: EventsLabel, Heading: "Developer resources → Other → Local application",
		Text: "As a local application the bridge binds the events by itself, learns the application_token and repairs gaps. Save the form, start the bridge with the variables below, " +
			"and press Reinstall in the form.",
		Paste: []ingest.Paste{
			{Name: "Type", Value: "Server", Kind: ingest.PasteText},
			{Name: "Script only (no user interface)", Value: "on", Kind: ingest.PasteText},
			{Name: "Initial installation path", Value: to.URL(eventsPath, nil), Kind: ingest.PasteURL},
			{Name: "Permission", Value: "CRM (crm)", Kind: ingest.PasteText},
		},
		Set: ingest.Missing(
			ingest.Need{Configured: config.ClientID != "", Setting: ingest.Setting{Variable: "BRIDGE_BITRIX24_CLIENT_ID", From: "client_id, in " + form}},
			ingest.Need{Configured: config.ClientSecret != "", Setting: ingest.Setting{Variable: "BRIDGE_BITRIX24_CLIENT_SECRET", From: "client_secret, in " + form, Secret: true}},
			ingest.Need{Configured: len(config.Portals) > 0, Setting: ingest.Setting{Variable: "BRIDGE_BITRIX24_PORTALS", From: "member_id, which the log names when the portal installs the application"}},
			ingest.Need{Configured: len(config.Events) > 0, Setting: ingest.Setting{Variable: "BRIDGE_BITRIX24_EVENTS", Value: strings.Join(names, ",")}},
		),
	}
	if len(step.Set) == 0 {
		step.Text = "The bridge binds " + strings.Join(names, ", ") + " by itself once the application is installed. If crm-bridge channels shows a portal as refused, press Reinstall in the application's form."
	}
	return step
}

// connectWebhook says how to add an outgoing webhook of events.
func (c Config) connectWebhook(to ingest.Connecting, names Wanted) ingest.Instruction {
	const token = "APPLICATION_TOKEN"
	step := ingest.Instruction{
		Source: EventsLabel, Heading: "Developer resources → Other → Outgoing webhook",
		Text: "Or add an outgoing webhook. Its screen shows an application token once it is saved, which authenticates its callbacks: each webhook has its own.",
		Paste: []ingest.Paste{
			{Name: "Handler", Value: to.URL(eventsPath, nil), Kind: ingest.PasteURL},
			{Name: "Events", Value: strings.Join(names, ", "), Kind: ingest.PasteText},
		},
	}
	if len(c.Bitrix24.Tokens) == 0 {
		step.Set = []ingest.Setting{{Variable: "BRIDGE_BITRIX24_TOKENS", Value: "*:" + token, From: "the application token, on the webhook's screen", Secret: true}}
	} else {
		step.Text += " Add the token of a new webhook to BRIDGE_BITRIX24_TOKENS: repeat the member_id for it."
	}
	return step
}

// connect says how to set up the outgoing webhook of a workflow.
func (w *workflows) connect(to ingest.Connecting) (ingest.Instruction, error) {
	operation, err := to.Word("edit")
	if err != nil {
		return ingest.Instruction{}, err
	}
	secret, set := to.SecretFor(w.WorkflowSecret, "BRIDGE_BITRIX24_WORKFLOW_SECRET")
	return ingest.Instruction{
		Source: WorkflowsLabel, Heading: "Workflow or automation rule → step Outgoing webhook", Set: set,
		Text: "A workflow of any module can call this URL, which names the operation and holds the secret. The module comes from the document that it runs on.",
		Paste: []ingest.Paste{
			{Name: "Handler", Value: to.URL(workflowsPath+"/"+operation, url.Values{secretParam: {secret}}), Kind: ingest.PasteURL, Secret: true},
		},
	}, nil
}
