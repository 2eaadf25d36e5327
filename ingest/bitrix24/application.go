package bitrix24

import (
	"errors"
	"log/slog"
	"net/http"
	"strings"

	"github.com/crm-bridge/crm-bridge/ingest"
)

// Application is what an application of Bitrix24 lets the bridge do beside taking callbacks: it is installed in portals,
// keeps their events bound (ingest.Watcher), empties their queues (ingest.Drainer), lists what changed (ingest.Lister) and reads
// records (ingest.Reader).
type Application struct {
	Client *Client // of all that follow

	*Installations
	*Subscriptions
	*Offline
	*Records
}

// NewApplication makes it of what the environment says; nil where no application is configured. publicURL is where portals
// reach the bridge; empty: it cannot be installed or bind online events.
func NewApplication(config Config, publicURL string, state ingest.State, client *http.Client, log *slog.Logger) (*Application, error) {
	c := config.Bitrix24
	if c.ClientID == "" && c.ClientSecret == "" && len(c.Portals) == 0 && len(c.Events) == 0 && len(c.Records) == 0 && !c.Offline {
		return nil, nil //nolint:nilnil // nothing is configured, which is no error
	}
	var wrong []error
	for _, rule := range []struct {
		broken bool
		say    string
	}{
		{c.ClientID == "" || c.ClientSecret == "", "BRIDGE_BITRIX24_CLIENT_ID and BRIDGE_BITRIX24_CLIENT_SECRET belong together, " +
			"and BRIDGE_BITRIX24_PORTALS, _EVENTS, _RECORDS and _OFFLINE need both"},
		{len(c.Portals) == 0, "BRIDGE_BITRIX24_PORTALS is empty: name the member_ids of the portals in which the application is installed"},
		{c.Offline && len(c.Events) == 0, "BRIDGE_BITRIX24_OFFLINE is set, but BRIDGE_BITRIX24_EVENTS does not say which events the portals are to keep"},
		{publicURL == "" && len(c.Events) > 0 && !c.Offline, "BRIDGE_BITRIX24_EVENTS needs BRIDGE_PUBLIC_URL, which the portals are to post to, or BRIDGE_BITRIX24_OFFLINE"},
	} {
		if rule.broken {
			wrong = append(wrong, errors.New(rule.say))
		}
	}
	if len(wrong) > 0 {
		return nil, errors.Join(wrong...)
	}
	api := &Client{HTTP: client, OAuthURL: string(c.OauthURL), ClientID: c.ClientID, ClientSecret: c.ClientSecret, State: state, Log: log}
	handler := ""
	if publicURL != "" {
		handler = strings.TrimSuffix(publicURL, "/") + "/bitrix24/events"
	}
	a := &Application{
		Client:        api,
		Installations: &Installations{Client: api, Portals: c.Portals},
		Subscriptions: &Subscriptions{Client: api, Portals: c.Portals, Events: c.Events, Handler: handler, Offline: c.Offline},
		Offline:       &Offline{Client: api, Portals: c.Portals},
		Records:       &Records{Client: api, Portals: c.Portals},
	}
	if !c.Offline {
		a.Offline.Portals = nil // there is nothing to empty
	}
	return a, nil
}

// RecordsSecrets says that a record is the customer's own data: nothing in it is removed for its name.
func (a *Application) RecordsSecrets() ingest.Secrets {
	return ingest.Secrets{Records: []string{"*"}, Values: []string{a.Client.ClientSecret}, Looks: looks}
}
