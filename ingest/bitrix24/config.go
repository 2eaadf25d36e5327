// Package bitrix24 understands the callbacks of Bitrix24: its events, and the outgoing webhooks of its workflows.
// Nothing here knows of CloudEvents, NATS or the HTTP server.
package bitrix24

import (
	"github.com/crm-bridge/crm-bridge/ingest"
)

// Provider is Bitrix24's name in subjects and events.
const Provider = "bitrix24"

// Config is what the environment says of Bitrix24.
type Config struct {
	Bitrix24 struct {
		Tokens         ingest.Tokens     `split_words:"true" secret:"true" desc:"application tokens of portals: member_id:application_token,…; *:application_token for portals without a line of their own"`
		WorkflowSecret ingest.SecretList `split_words:"true" secret:"true" desc:"secret in the URL of workflows' outgoing webhooks; a list while rotating"`
	}
}
