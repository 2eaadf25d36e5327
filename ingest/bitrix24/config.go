// Package bitrix24 understands the callbacks of Bitrix24: its events, and the outgoing webhooks of its workflows. It keeps
// an application's events bound, empties the queues of offline events, and lists what changed.
// Nothing here knows of CloudEvents, NATS or the HTTP server.
package bitrix24

import (
	"errors"
	"net/url"
	"regexp"
	"strings"

	"github.com/crm-bridge/crm-bridge/ingest"
)

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
		Tokens         ingest.Tokens     `split_words:"true" secret:"true" desc:"application tokens of portals: member_id:application_token,…; *:application_token for portals without a line of their own"`
		WorkflowSecret ingest.SecretList `split_words:"true" secret:"true" desc:"secret in the URL of workflows' outgoing webhooks; a list while rotating"`
		ClientID       string            `split_words:"true" desc:"client_id of the application; set: the bridge binds its events itself and may backfill"`
		ClientSecret   string            `split_words:"true" secret:"true" desc:"client_secret of the application"`
		Portals        Portals           `split_words:"true" desc:"member_ids of the portals whose installation of the application is accepted, once the OAuth server has confirmed it"`
		OauthURL       OAuthURL          `split_words:"true" default:"https://oauth.bitrix.info" desc:"Bitrix24's OAuth server; over http only for tests"`
		Events         Wanted            `split_words:"true" desc:"events to bind: Deal.all,Contact.create,ONCRMLEADADD,…"`
		Offline        bool              `split_words:"true" default:"false" desc:"poll the portals' offline queue instead of receiving callbacks"`
	}
}

// Portals are member_ids, separated by commas.
type Portals []string

var memberID = regexp.MustCompile(`^[A-Za-z0-9_-]{1,100}$`)

// Decode reads portals from an environment variable.
func (p *Portals) Decode(value string) error {
	var portals Portals
	for entry := range strings.SplitSeq(value, ",") {
		if entry = strings.TrimSpace(entry); entry == "" {
			continue
		}
		if !memberID.MatchString(entry) {
			return errors.New("must be member_ids such as a223c6b3710f85df22e9377d6c4f7553, separated by commas (not domains, which can change)")
		}
		portals = append(portals, entry)
	}
	*p = portals
	return nil
}

// OAuthURL is the address of an OAuth server.
type OAuthURL string

// Decode reads the address from an environment variable.
func (o *OAuthURL) Decode(value string) error {
	u, err := url.Parse(value)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return errors.New("must be a URL such as https://oauth.bitrix.info")
	}
	*o = OAuthURL(strings.TrimSuffix(value, "/"))
	return nil
}
