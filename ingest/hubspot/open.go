package hubspot

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"

	"golang.org/x/time/rate"

	"github.com/crm-bridge/crm-bridge/ingest"
)

// Open gives the bridge what is configured of HubSpot.
func Open(setup ingest.Setup) (*ingest.CRM, error) {
	var config Config
	if err := setup.Env(&config); err != nil {
		return nil, err
	}
	hubspot := config.Hubspot
	if i := slices.IndexFunc(hubspot.Portals, func(id string) bool { return !portalID.MatchString(id) }); i >= 0 {
		return nil, fmt.Errorf("BRIDGE_HUBSPOT_PORTALS entry %d is not the id of a portal, which is a number", i+1)
	}
	secrets, err := setup.SecretsOr(hubspot.ClientSecret, madeClientSecret)
	if err != nil {
		return nil, err
	}
	webhooks := &Webhooks{ClientSecrets: secrets, PublicURLs: setup.PublicURLs, Portals: hubspot.Portals}
	for _, token := range hubspot.AccessToken {
		webhooks.tokens = append(webhooks.tokens, token)
	}
	crm := &ingest.CRM{
		Provider: Provider, Sources: []ingest.Source{webhooks}, Records: webhooks.Secrets(), Settle: settle, Whole: whole,
		Connect:  config.connect,
		Erasures: []string{"privacyDeletion", "gdprPrivacyDeletion"}, // of webhooks, and of the journal
		Words: ingest.Words{
			Name: "HubSpot", Module: "contact", Target: "portal's id", Wanted: "BRIDGE_HUBSPOT_JOURNAL",
			Credentials: []string{"BRIDGE_HUBSPOT_ACCESS_TOKEN"}, Subscriber: []string{"BRIDGE_HUBSPOT_CLIENT_ID", "BRIDGE_HUBSPOT_CLIENT_SECRET", "BRIDGE_HUBSPOT_PORTALS"},
		},
	}
	if len(hubspot.ClientSecret) > 0 {
		crm.RepeatsWithin = 2 * replayWindow // a signature from a clock that is ahead is valid for so long
	}
	if setup.State.Shared == nil {
		return crm, nil
	}
	return crm, config.openAPI(setup, crm)
}

// openAPI adds what calls the API: with an access token the records, and with a client id the journal.
func (c Config) openAPI(setup ingest.Setup, crm *ingest.CRM) error {
	hubspot := c.Hubspot
	log := setup.Log
	if log == nil {
		log = slog.New(slog.DiscardHandler)
	}
	if len(hubspot.ClientSecret) > 0 && len(setup.PublicURLs) == 0 && len(hubspot.Journal) == 0 {
		log.Warn("BRIDGE_PUBLIC_URL is not set: HubSpot's signatures are checked against the host that each request names; set it to the URL that HubSpot calls")
	}
	api := &client{url: cmp.Or(string(hubspot.API.URL), "https://api.hubapi.com"), log: log, secrets: crm.Records.Values}
	var reach []func(context.Context) error
	if len(hubspot.AccessToken) > 0 {
		tokens, err := openTokens(api, hubspot.AccessToken, hubspot.Portals)
		if err != nil {
			return err
		}
		read := &records{tokens: tokens, pace: rate.NewLimiter(searchesPerSecond, 1)}
		crm.Accounts, crm.Lister, crm.Reader = tokens.names(), read, read
		reach = append(reach, tokens.Reach)
	}
	if len(hubspot.Records) > 0 && crm.Reader == nil {
		return errors.New("BRIDGE_HUBSPOT_ACCESS_TOKEN must be set beside BRIDGE_HUBSPOT_RECORDS")
	}
	err := c.checkJournal()
	if err != nil {
		return err
	}
	if crm.KeptModules, err = keptModules(hubspot.Records, hubspot.Journal.Subjects()); err != nil {
		return err
	}
	if len(hubspot.Journal) > 0 {
		app := openApp(api, hubspot.ClientID, hubspot.ClientSecret[0], setup.State.Secret)
		kept := &subscriptions{app: app, portals: hubspot.Portals, wanted: hubspot.Journal}
		crm.Watcher, crm.Changes, crm.Targets, crm.Subjects = kept, kept.changes(setup.State.Shared), hubspot.Portals, hubspot.Journal.Subjects()
		crm.Drainer = &journal{app: app, portals: hubspot.Portals, wanted: hubspot.Journal, log: log.With("source", WebhooksLabel)}
		reach = append(reach, app.Reach)
	}
	if len(reach) > 0 {
		crm.Reach = func(ctx context.Context) (failed error) {
			for _, check := range reach {
				failed = errors.Join(failed, check(ctx))
			}
			return failed
		}
	}
	return nil
}

// checkJournal returns an error unless all that the journal needs is configured, or nothing of it.
func (c Config) checkJournal() error {
	hubspot := c.Hubspot
	if len(hubspot.Journal) == 0 {
		return nil
	}
	var missing []string
	for _, one := range []struct {
		name string
		set  bool
	}{
		{"BRIDGE_HUBSPOT_CLIENT_ID", hubspot.ClientID != ""},
		{"BRIDGE_HUBSPOT_CLIENT_SECRET", len(hubspot.ClientSecret) > 0},
		{"BRIDGE_HUBSPOT_PORTALS", len(hubspot.Portals) > 0},
	} {
		if !one.set {
			missing = append(missing, one.name)
		}
	}
	if len(missing) > 0 {
		return fmt.Errorf("%s must be set beside BRIDGE_HUBSPOT_JOURNAL", strings.Join(missing, " and "))
	}
	return nil
}
