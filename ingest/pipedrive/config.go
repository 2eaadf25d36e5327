// Package pipedrive understands the webhooks of Pipedrive, version 2.0. It keeps its own webhooks alive, and lists what changed.
// Nothing here knows of CloudEvents, NATS or the HTTP server.
package pipedrive

import (
	"errors"
	"strings"

	"github.com/crm-bridge/crm-bridge/ingest"
)

// Provider is Pipedrive's name in subjects and events.
const Provider = "pipedrive"

// madePassword is the secret that the bridge makes in its data folder where none is set.
const madePassword = "pipedrive-password"

// Config is what the environment says of Pipedrive.
type Config struct {
	Pipedrive struct {
		User      UserName          `split_words:"true" default:"crm-bridge" desc:"HTTP auth username of the webhooks"`
		Password  ingest.SecretList `split_words:"true" secret:"true" unshared:"true" desc:"HTTP auth password of the webhooks; a list while rotating"`
		Companies ingest.AccountIDs `split_words:"true" unshared:"true" desc:"ids of the companies whose callbacks are accepted; those of others are ignored; empty: all that authenticate"`
		API       struct {
			Token string         `secret:"true" unshared:"true" desc:"API token of a deal admin; set: the bridge can keep its own webhooks alive, repair and backfill"`
			URL   ingest.BaseURL `default:"https://api.pipedrive.com" desc:"Pipedrive's API; another one only for tests"`
		}
		Events  Events         `split_words:"true" desc:"events of the bridge's own webhooks: all, or deal.all,person.delete,…"`
		Records ingest.Modules `split_words:"true" desc:"modules whose records are kept as states: deal,person; all: those of BRIDGE_PIPEDRIVE_EVENTS"`
	}
}

// UserName is the user of HTTP Basic.
type UserName string

// Decode reads the user from an environment variable.
func (u *UserName) Decode(value string) error {
	if value == "" || strings.ContainsFunc(value, func(r rune) bool { return r == ':' || r < ' ' || r == 0x7f }) {
		return errors.New("must be a user name without a colon, which would end it (RFC 7617)")
	}
	*u = UserName(value)
	return nil
}
