package main

import (
	"maps"
	"slices"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/config"
	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/bitrix24"
	"github.com/crm-bridge/crm-bridge/ingest/zoho"
)

// kinds are the callbacks that the bridge understands, by source label.
var kinds = map[string]func(ingest.Setup) (ingest.Source, error){
	bitrix24.EventsLabel:    bitrix24.OpenEvents,
	bitrix24.WorkflowsLabel: bitrix24.OpenWorkflows,
	zoho.NotificationsLabel: zoho.OpenNotifications,
	zoho.WebhooksLabel:      zoho.OpenWebhooks,
}

// openSources opens every kind, in the order of their names. It returns all problems; each names the variable, which several
// kinds may share.
func openSources(setup ingest.Setup) (map[string]ingest.Source, error) {
	sources := make(map[string]ingest.Source, len(kinds))
	var found config.Problems
	for _, label := range slices.Sorted(maps.Keys(kinds)) {
		source, err := kinds[label](setup)
		if found.Add(err); err == nil {
			sources[label] = source
		}
	}
	return sources, found.Err()
}

// providers are the CRMs that the bridge knows, sorted.
func providers() []string { return slices.Sorted(maps.Keys(apis)) }
