// Package bitrix24 understands the callbacks of Bitrix24: its events, and the outgoing webhooks of its workflows. It keeps
// an application's events bound, empties the queues of offline events, and lists what changed.
// Nothing here knows of CloudEvents, NATS or the HTTP server.
package bitrix24

import "github.com/crm-bridge/crm-bridge/ingest"

// Provider is Bitrix24's name in subjects and events.
const Provider = "bitrix24"

// The secrets that the bridge makes in its data folder where none is set.
const (
	madeApplicationToken = "bitrix24-application-token"
	madeWorkflowSecret   = "bitrix24-workflow-secret"
)

// Config is what the environment says of Bitrix24.
type Config struct {
	Bitrix24 struct {
		Tokens         ingest.Tokens     `split_words:"true" secret:"true" unshared:"true" desc:"application tokens of portals: member_id:application_token,…; *:application_token for portals without a line of their own"`
		WorkflowSecret ingest.SecretList `split_words:"true" secret:"true" unshared:"true" desc:"secret in the URL of workflows' outgoing webhooks; a list while rotating"`
		ClientID       string            `split_words:"true" desc:"client_id of the application; set: the bridge binds its events itself and may backfill"`
		ClientSecret   string            `split_words:"true" secret:"true" desc:"client_secret of the application"`
		Portals        ingest.AccountIDs `split_words:"true" unshared:"true" desc:"member_ids of the portals whose installation of the application is accepted, once the OAuth server has confirmed it"`
		OauthURL       ingest.BaseURL    `split_words:"true" default:"https://oauth.bitrix.info" desc:"Bitrix24's OAuth server; over http only for tests"`
		Events         Wanted            `split_words:"true" desc:"events to bind: Deal.all,Contact.create,ONCRMLEADADD,…"`
		Records        ingest.Modules    `split_words:"true" desc:"modules whose records are kept as states: Deal,Contact,DynamicItem; all: those of BRIDGE_BITRIX24_EVENTS that can be read"`
		Offline        bool              `split_words:"true" default:"false" desc:"poll the portals' offline queue instead of receiving callbacks"`
	}
}
