package bitrix24

import (
	"context"
	"errors"

	"github.com/crm-bridge/crm-bridge/ingest"
)

// Open gives the bridge what is configured of Bitrix24. A test callback goes to workflows first, for the name of an event, in
// capitals, does not keep the spelling of an unknown module.
func Open(setup ingest.Setup) (*ingest.CRM, error) {
	var config Config
	if err := setup.Env(&config); err != nil {
		return nil, err
	}
	events, err := config.openEvents(setup)
	if err != nil {
		return nil, err
	}
	workflows, err := config.openWorkflows(setup)
	if err != nil {
		return nil, err
	}
	crm := &ingest.CRM{
		Provider: Provider, Sources: []ingest.Source{workflows, events}, RecordID: idAmong, Identity: []string{"ENTITY_TYPE_ID", "entityTypeId"},
		Connect: config.connect(events, workflows), Simulate: simulate,
		Words: ingest.Words{
			Name: "Bitrix24", Module: "Deal", Target: "portal's member_id", Wanted: "BRIDGE_BITRIX24_EVENTS",
			Credentials: []string{"BRIDGE_BITRIX24_CLIENT_ID", "BRIDGE_BITRIX24_CLIENT_SECRET", "BRIDGE_BITRIX24_PORTALS"},
		},
	}
	if setup.State.Shared == nil {
		return crm, nil
	}
	app, err := NewApplication(config, setup.PublicURL(), setup.State, nil, setup.Log)
	if err != nil {
		return nil, err
	}
	if app == nil {
		return crm, nil
	}
	events.Installations, app.Woken = app.Installations, setup.Wake
	crm.Accounts, crm.Targets = app.Subscriptions.Portals, app.Subscriptions.Portals
	crm.Watcher, crm.Lister, crm.Reader, crm.Clock = app.Subscriptions, app.Records, app.Records, app.Client.Clock
	crm.Reach, crm.Records = app.Client.Reach, app.RecordsSecrets()
	if len(app.Offline.Portals) > 0 {
		crm.Drainer = app.Offline
	}
	each := func(do func(context.Context, ingest.State, string) error) func(context.Context, string) ([]ingest.Channel, error) {
		return func(ctx context.Context, member string) ([]ingest.Channel, error) {
			if member != "" {
				return nil, do(ctx, setup.State, member)
			}
			var errs []error
			for _, portal := range app.Subscriptions.Portals {
				errs = append(errs, do(ctx, setup.State, portal))
			}
			return nil, errors.Join(errs...)
		}
	}
	crm.Changes = map[string]func(context.Context, string) ([]ingest.Channel, error){
		"enable": each(app.Enable), "renew": each(app.Renew), "disable": each(app.Disable),
	}
	if crm.Subjects, err = app.Subscriptions.Events.Subjects(); err != nil {
		return nil, err
	}
	crm.KeptModules, err = keptModules(config.Bitrix24.Records, crm.Subjects)
	return crm, err
}
