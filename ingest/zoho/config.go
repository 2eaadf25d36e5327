// Package zoho understands the callbacks of Zoho CRM, keeps its notification channels alive, and reads its records.
// Nothing here knows of CloudEvents, NATS or the HTTP server.
package zoho

import (
	"github.com/crm-bridge/crm-bridge/ingest"
)

// Provider is Zoho CRM's name in subjects and events.
const Provider = "zoho"

// The secrets that the bridge makes in its data folder where none is set.
const (
	madeTokenSecret   = "zoho-token-secret"
	madeWebhookSecret = "zoho-webhook-secret"
)

// Config is what the environment says of Zoho CRM.
type Config struct {
	Zoho struct {
		Account     string            `split_words:"true" default:"default" unshared:"true" desc:"the org's name in events"`
		Tokens      ingest.Tokens     `split_words:"true" secret:"true" unshared:"true" desc:"tokens of notification channels: channel_id:token,…; *:token for channels without a line of their own"`
		TokenSecret ingest.SecretList `split_words:"true" secret:"true" unshared:"true" desc:"secret that the tokens of channels are derived from; a list while rotating"`

		WebhookSecret         ingest.SecretList `split_words:"true" secret:"true" unshared:"true" desc:"secret of workflow webhooks; a list while rotating"`
		WebhookIDParams       []string          `split_words:"true" default:"id,Id,ID,record_id,recordId" desc:"where a workflow webhook's record id is: the first of these parameters"`
		WebhookIdentityParams []string          `split_words:"true" desc:"parameters that together identify a workflow webhook's delivery; its repeat then has the same id"`

		ClientID     string         `split_words:"true" desc:"OAuth client; with its secret and a refresh token the bridge keeps its own channels alive and can backfill"`
		ClientSecret string         `split_words:"true" secret:"true" desc:"secret of the OAuth client"`
		RefreshToken string         `split_words:"true" secret:"true" unshared:"true" desc:"refresh token with the scopes ZohoCRM.notifications.ALL and ZohoCRM.modules.{module}.READ"`
		DC           DataCentre     `split_words:"true" default:"us" desc:"data centre: us eu in cn au jp sa ca"`
		AccountsURL  ingest.BaseURL `split_words:"true" desc:"accounts server, where it is not the data centre's"`
		TokenURL     ingest.BaseURL `split_words:"true" desc:"where access tokens are made, where it is not /oauth/v2/token of the accounts server"`
		API          struct {
			URL     ingest.BaseURL `desc:"host of the API, where it is not the data centre's"`
			Version Version        `default:"v8" desc:"version of the API: v2 to v8"`
		}
		Events  ingest.WantedEvents `split_words:"true" desc:"events of the bridge's own channels: Deals.all,Contacts.create,…"`
		Records ingest.Modules      `split_words:"true" desc:"modules whose records are kept as states: Deals,Contacts; all: those of BRIDGE_ZOHO_EVENTS"`
	}
}
