// Package zoho understands the callbacks of Zoho CRM.
// Nothing here knows of CloudEvents, NATS or the HTTP server.
package zoho

import (
	"github.com/crm-bridge/crm-bridge/ingest"
)

// Provider is Zoho CRM's name in subjects and events.
const Provider = "zoho"

// Config is what the environment says of Zoho CRM.
type Config struct {
	Zoho struct {
		Account     string            `split_words:"true" default:"default" desc:"the org's name in events"`
		Tokens      ingest.Tokens     `split_words:"true" secret:"true" desc:"tokens of notification channels: channel_id:token,…; *:token for channels without a line of their own"`
		TokenSecret ingest.SecretList `split_words:"true" secret:"true" desc:"secret that the tokens of channels are derived from; a list while rotating"`

		WebhookSecret         ingest.SecretList `split_words:"true" secret:"true" desc:"secret of workflow webhooks; a list while rotating"`
		WebhookIDParams       []string          `split_words:"true" default:"id,Id,ID,record_id,recordId" desc:"where a workflow webhook's record id is: the first of these parameters"`
		WebhookIdentityParams []string          `split_words:"true" desc:"parameters that together identify a workflow webhook's delivery; its repeat then has the same id"`
	}
}
