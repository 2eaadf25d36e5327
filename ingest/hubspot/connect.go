package hubspot

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/crm-bridge/crm-bridge/ingest"
)

// connect returns how HubSpot is made to call the bridge: by an app's webhooks. Where the bridge reads the journal there is nothing to do.
func (c Config) connect(to ingest.Connecting) ([]ingest.Instruction, error) {
	module := cmp.Or(to.Module, "contact")
	of, _ := objectOf(module)
	if !listable(of.module) {
		return nil, fmt.Errorf("the module %q is not an object: write contact, deal, or the objectTypeId of a custom object such as 2-3508482", module)
	}
	operations, err := ingest.ParseOperations(cmp.Or(to.Operation, "all"))
	if err != nil {
		return nil, err
	}
	if len(c.Hubspot.Journal) > 0 && to.Module == "" {
		var objects []string
		for _, one := range c.Hubspot.Journal {
			objects = append(objects, one.Module)
		}
		return []ingest.Instruction{{
			Source: WebhooksLabel, Heading: "The webhooks journal, read by the bridge", Done: true,
			Text: "The bridge reads the changes of " + strings.Join(objects, ", ") + " from the app's journal, and keeps its subscriptions. There is nothing to paste; crm-bridge channels lists them.",
		}}, nil
	}
	target, subscriptions := to.URL(webhooksPath, nil), subscriptionsOf(of.module, operations)
	var types []string
	for _, one := range subscriptions {
		types = append(types, one.Type)
	}
	set := ingest.Missing(ingest.Need{
		Configured: len(c.Hubspot.ClientSecret) > 0, Setting: ingest.Setting{Variable: "BRIDGE_HUBSPOT_CLIENT_SECRET", From: "Client secret, under Auth of the app", Secret: true},
	})
	steps := []ingest.Instruction{{
		Source: WebhooksLabel, Heading: "Settings → Integrations → Private Apps → the app → Edit app → Webhooks", Set: set,
		Text: "Enter the target URL, create and activate the subscriptions: one of changes for each property. HubSpot signs its callbacks with the client secret of the app (signature v3), " +
			"and BRIDGE_PUBLIC_URL must be the beginning of the target URL.",
		Paste: []ingest.Paste{
			{Name: "Target URL", Value: target, Kind: ingest.PasteURL},
			{Name: "Object", Value: of.module, Kind: ingest.PasteText},
			{Name: "Subscriptions", Value: strings.Join(types, ", "), Kind: ingest.PasteText},
		},
	}}
	if objectTypeID.MatchString(of.module) {
		return steps, nil // in a project's file custom objects have names that only the portal knows
	}
	project, err := projectFile(target, subscriptions)
	return append(steps, ingest.Instruction{
		Source: WebhooksLabel, Heading: "src/app/webhooks/webhooks-hsmeta.json, then hs project upload", Set: set,
		Text:  "Or, for an app of a developer project, this file says the same. Name the properties whose changes are needed, each in a subscription of its own.",
		Paste: []ingest.Paste{{Name: "webhooks-hsmeta.json", Value: project, Kind: ingest.PasteJSON}},
	}), err
}

// webhookSubscription is one of an app's, as a project's file has it.
type webhookSubscription struct {
	Type     string `json:"subscriptionType"`
	Property string `json:"propertyName,omitempty"`
	Active   bool   `json:"active"`
}

// exampleProperties have a change that is worth reporting, by object.
var exampleProperties = map[string]string{"contact": "lifecyclestage", "deal": "dealstage", "company": "lifecyclestage", "ticket": "hs_pipeline_stage"}

// subscriptionsOf returns the subscriptions of an object.
func subscriptionsOf(module string, operations []string) (all []webhookSubscription) {
	for _, native := range slices.Sorted(maps.Keys(words)) {
		if !slices.Contains(operations, words[native]) {
			continue
		}
		one := webhookSubscription{Type: module + "." + native, Active: true}
		if objectTypeID.MatchString(module) {
			one.Type = "object." + native
		}
		if native == "propertyChange" {
			one.Property = cmp.Or(exampleProperties[module], "name")
		}
		all = append(all, one)
	}
	return all
}

// projectFile returns the file of a developer project that sets up webhooks.
func projectFile(target string, subscriptions []webhookSubscription) (string, error) {
	return ingest.Indented(map[string]any{
		"uid": "crm_bridge_webhooks", "type": "webhooks",
		"config": map[string]any{
			"settings":      map[string]any{"targetUrl": target, "maxConcurrentRequests": 10},
			"subscriptions": map[string]any{"legacyCrmObjects": subscriptions},
		},
	})
}
