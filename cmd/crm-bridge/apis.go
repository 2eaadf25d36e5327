package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/config"
	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/ingest/bitrix24"
	"github.com/crm-bridge/crm-bridge/ingest/keep"
	"github.com/crm-bridge/crm-bridge/ingest/zoho"
)

// api is what a CRM lets the bridge do by itself, with the credentials that are configured.
type api struct {
	kept     keep.Kept
	accounts []string                    // orgs or portals, each of which has ledgers of its own
	records  string                      // label of the events that are made of records
	subjects []string                    // of what it subscribes to, <Module>.<operation>
	secrets  ingest.Secrets              // of these
	reach    func(context.Context) error // asks its OAuth server, and changes nothing there
	attach   func(ingest.State)
	join     func(sources map[string]ingest.Source, woken func()) // with the sources that take callbacks; nil: nothing to do
	changes  map[string]change                                    // of channels, by the command's word
}

// change changes channels: of a module, or of a portal; of all where the target is empty. It returns how all are then, or
// nil where only the next Watch can tell.
type change func(ctx context.Context, state ingest.State, target string) ([]ingest.Channel, error)

// apis are the CRMs that the bridge calls, by provider. Each returns nil where nothing is configured for it.
var apis = map[string]func(setup ingest.Setup, publicURL string, log *slog.Logger) (*api, error){
	bitrix24.Provider: openBitrix24,
	zoho.Provider:     openZoho,
}

func openZoho(setup ingest.Setup, publicURL string, log *slog.Logger) (*api, error) {
	channels, err := zoho.OpenChannels(setup, publicURL, log)
	if err != nil || channels == nil {
		return nil, err
	}
	kept := keep.Kept{Label: zoho.Provider, Lister: channels, Clock: channels.Clock}
	if len(channels.Events) > 0 {
		kept.Watcher = channels
	}
	each := func(do func(context.Context, ingest.State, ...string) ([]ingest.Channel, error)) change {
		return func(ctx context.Context, state ingest.State, module string) ([]ingest.Channel, error) {
			if module == "" {
				return do(ctx, state)
			}
			return do(ctx, state, module)
		}
	}
	return &api{
		kept: kept, accounts: []string{channels.Account}, records: zoho.RecordsLabel, secrets: channels.RecordsSecrets(), subjects: channels.Events.Subjects(),
		reach:   channels.Client.Reach,
		attach:  func(state ingest.State) { channels.Client.State = state },
		changes: map[string]change{"enable": each(channels.Enable), "renew": each(channels.Renew), "disable": each(channels.Disable)},
	}, nil
}

func openBitrix24(setup ingest.Setup, publicURL string, log *slog.Logger) (*api, error) {
	app, err := bitrix24.OpenApplication(setup, publicURL, log)
	if err != nil || app == nil {
		return nil, err
	}
	kept := keep.Kept{Label: bitrix24.Provider, Watcher: app.Subscriptions, Lister: app.Records, Clock: app.Client.Clock}
	if len(app.Offline.Portals) > 0 {
		kept.Drainer = app.Offline
	}
	each := func(do func(context.Context, ingest.State, string) error) change {
		return func(ctx context.Context, state ingest.State, member string) ([]ingest.Channel, error) {
			if member != "" {
				return nil, do(ctx, state, member)
			}
			var errs []error
			for _, portal := range app.Subscriptions.Portals {
				errs = append(errs, do(ctx, state, portal))
			}
			return nil, errors.Join(errs...)
		}
	}
	subjects, err := app.Subscriptions.Events.Subjects()
	if err != nil {
		return nil, err
	}
	return &api{
		kept: kept, accounts: app.Subscriptions.Portals, records: bitrix24.RecordsLabel, secrets: app.RecordsSecrets(), subjects: subjects,
		reach:  app.Client.Reach,
		attach: func(state ingest.State) { app.Client.State = state },
		join: func(sources map[string]ingest.Source, woken func()) {
			if events, ok := sources[bitrix24.EventsLabel].(*bitrix24.Events); ok {
				events.Installations = app.Installations
			}
			app.Woken = woken
		},
		changes: map[string]change{"enable": each(app.Enable), "renew": each(app.Renew), "disable": each(app.Disable)},
	}, nil
}

// openAPIs opens what is configured of every CRM's API. It returns all problems.
func openAPIs(setup ingest.Setup, publicURL string, log *slog.Logger) (map[string]*api, error) {
	open, found := map[string]*api{}, config.Problems{}
	for _, provider := range slices.Sorted(maps.Keys(apis)) {
		one, err := apis[provider](setup, publicURL, log)
		for _, problem := range config.Each(err) {
			found.Add(fmt.Errorf("%s: %w", provider, problem))
		}
		if one != nil {
			open[provider] = one
		}
	}
	return open, found.Err()
}
