package pipedrive

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/crm-bridge/crm-bridge/ingest"
)

// connect returns how Pipedrive is made to call the bridge: by webhooks that the bridge keeps, or by one's own.
func (c Config) connect(w *Webhooks) func(ingest.Connecting) ([]ingest.Instruction, error) {
	return func(to ingest.Connecting) ([]ingest.Instruction, error) {
		wanted, err := c.connectWanted(to)
		if err != nil {
			return nil, err
		}
		password, set := to.SecretFor(w.Passwords, "BRIDGE_PIPEDRIVE_PASSWORD")
		kept := c.connectKept(wanted, set)
		if kept.Done {
			return []ingest.Instruction{kept}, nil
		}
		own := w.connect(to, wanted, password)
		own.Set = set
		return []ingest.Instruction{kept, own}, nil
	}
}

// connectWanted returns what the webhooks shall report: everything, where nothing is chosen or configured.
func (c Config) connectWanted(to ingest.Connecting) (Events, error) {
	if to.Module == "" && len(c.Pipedrive.Events) == 0 {
		to.Module = everything
	}
	if to.Module == everything {
		operations, err := ingest.ParseOperations(cmp.Or(to.Operation, "all"))
		return Events{{Module: everything, Operations: operations}}, err
	}
	if to.Module != "" && !slices.Contains(modules, to.Module) {
		return nil, fmt.Errorf("unknown module %q; Pipedrive's are %s", to.Module, strings.Join(modules, ", "))
	}
	wanted, err := to.Wanted(ingest.WantedEvents(c.Pipedrive.Events), "deal")
	return Events(wanted), err
}

// connectKept says how the bridge keeps webhooks by itself. password is the setting of their password, if that is missing.
func (c Config) connectKept(wanted Events, password []ingest.Setting) ingest.Instruction {
	config := c.Pipedrive
	events := config.Events
	for _, one := range wanted {
		events = Events(ingest.WantedEvents(events).Add(one.Module, one.Operations))
	}
	step := ingest.Instruction{
		Source: WebhooksLabel, Heading: "Company settings → Personal preferences → API",
		Text: "With an API token of a deal admin the bridge makes its webhooks by itself, makes them again if Pipedrive suspends them, and repairs gaps.",
		Set: append(ingest.Missing(
			ingest.Need{Configured: config.API.Token != "", Setting: ingest.Setting{Variable: "BRIDGE_PIPEDRIVE_API_TOKEN", From: "Your personal API token", Secret: true}},
			ingest.Need{Configured: events.list() == config.Events.list(), Setting: ingest.Setting{Variable: "BRIDGE_PIPEDRIVE_EVENTS", Value: events.list()}},
		), password...),
	}
	if step.Done = len(step.Set) == 0; step.Done {
		step.Heading = "Webhooks, kept by the bridge"
		step.Text = "The bridge makes its webhooks for " + events.list() + " by itself. There is nothing to paste; crm-bridge channels lists them."
	}
	return step
}

// list returns the events as BRIDGE_PIPEDRIVE_EVENTS takes them.
func (e Events) list() string {
	var names []string
	for _, one := range e {
		switch {
		case one.Module == everything:
			return "all"
		case len(one.Operations) == len(ingest.AllOperations):
			names = append(names, one.Module+".all")
		default:
			for _, operation := range one.Operations {
				names = append(names, one.Module+"."+operation)
			}
		}
	}
	return strings.Join(names, ",")
}

// connect says how to make a webhook by hand.
func (w *Webhooks) connect(to ingest.Connecting, wanted Events, password string) ingest.Instruction {
	step := ingest.Instruction{
		Source: WebhooksLabel, Heading: "Tools and apps → Webhooks → Create new webhook",
		Text: "Or make the webhook yourself. The bridge then cannot see that Pipedrive has suspended or deleted it.",
	}
	for i, one := range wanted.subscriptions() {
		name := "Event action, Event object"
		if i > 0 {
			name += fmt.Sprintf(" of webhook %d", i+1)
		}
		step.Paste = append(step.Paste, ingest.Paste{Name: name, Value: one.action + " " + one.object, Kind: ingest.PasteText})
	}
	step.Paste = append(
		step.Paste,
		ingest.Paste{Name: "User permission level", Value: "a deal admin", Kind: ingest.PasteText},
		ingest.Paste{Name: "Endpoint URL", Value: to.URL(webhooksPath, nil), Kind: ingest.PasteURL},
		ingest.Paste{Name: "HTTP Auth username", Value: w.User, Kind: ingest.PasteText},
		ingest.Paste{Name: "HTTP Auth password", Value: password, Kind: ingest.PasteToken, Secret: true},
		ingest.Paste{Name: "Webhook version", Value: "2.0", Kind: ingest.PasteText},
	)
	return step
}
