// Package hubspot understands the webhooks of HubSpot apps, empties the webhooks journal, keeps the journal's subscriptions, and lists
// what changed. Nothing here knows of CloudEvents, NATS or the HTTP server.
package hubspot

import (
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/crm-bridge/crm-bridge/ingest"
)

// Provider is HubSpot's name in subjects and events.
const Provider = "hubspot"

// The labels of changes, which are the families of their schemas: of webhooks and the journal, and of what is read from the API.
const (
	WebhooksLabel = "hubspot-webhooks"
	RecordsLabel  = "hubspot-records"
)

// looks is that of the token of a private app: pat-na1-… or pat-eu1-….
var looks = []ingest.Look{{
	Pattern: regexp.MustCompile(`(?i)(pat-[a-z]{2}[0-9]{0,2}-)([0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12})`), Words: []string{"pat-"},
}}

// madeClientSecret is the secret that the bridge makes in its data folder where none is set.
const madeClientSecret = "hubspot-client-secret"

// Config is what the environment says of HubSpot.
type Config struct {
	Hubspot struct {
		ClientSecret ingest.SecretList `split_words:"true" secret:"true" unshared:"true" desc:"client secret of the app, which signs its webhooks; a list while rotating"`
		ClientID     string            `split_words:"true" desc:"client id of the app; needed for the journal alone"`
		Portals      ingest.AccountIDs `split_words:"true" unshared:"true" desc:"ids of the portals (accounts) whose changes are accepted; those of others are ignored; empty: all that the app's signature authenticates"`
		AccessToken  AccessTokens      `split_words:"true" secret:"true" unshared:"true" desc:"access token of a private app, for backfills and repairs; of several portals: portal:token,…"`
		Journal      Wanted            `split_words:"true" desc:"what to read from the webhooks journal: object types, each with the properties whose changes are reported: contact:email+phone,deal:amount+dealstage,2-3508482"`
		Records      ingest.Modules    `split_words:"true" desc:"objects whose records are kept as states: contact,deal,2-3508482; all: those of BRIDGE_HUBSPOT_JOURNAL"`
		API          struct {
			URL ingest.BaseURL `default:"https://api.hubapi.com" desc:"HubSpot's API and OAuth server; over http only for tests"`
		}
	}
}

// portalID is a portal's id.
var portalID = regexp.MustCompile(`^[1-9][0-9]{0,18}$`)

// AccessTokens are access tokens by portal; that of "" is of the only portal, which is not named.
type AccessTokens map[string]string

// Decode reads access tokens from an environment variable. Its errors say which entry is wrong and never quote it.
func (a *AccessTokens) Decode(value string) error {
	tokens := AccessTokens{}
	for i, entry := range strings.Split(value, ",") {
		portal, token, named := strings.Cut(strings.TrimSpace(entry), ":")
		if !named {
			portal, token = "", portal
		}
		token = strings.TrimSpace(token)
		_, repeated := tokens[portal]
		switch {
		case token == "" || named && !portalID.MatchString(portal):
			return fmt.Errorf("entry %d is neither a token nor of the form portal:token", i+1)
		case repeated:
			return fmt.Errorf("entry %d is of the same portal as another; name the portals: portal:token,portal:token", i+1)
		}
		tokens[portal] = token
	}
	if _, unnamed := tokens[""]; unnamed && len(tokens) > 1 {
		return errors.New("must name the portal of each token: portal:token,portal:token")
	}
	*a = tokens
	return nil
}
