package zoho

import (
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/crm-bridge/crm-bridge/ingest"
)

// OpenChannels configures the keeping of channels, and the reading of records, from the environment. It returns nil where
// no OAuth client is configured. publicURL is where Zoho reaches the bridge.
//
// What it returns serves as ingest.Watcher and as ingest.Lister of the account, once its state is known:
//
//	channels, err := zoho.OpenChannels(setup, publicURL, log)
//	secrets[zoho.RecordsLabel] = channels.RecordsSecrets() // for the redactor, and masked everywhere
//	channels.Client.State = state                          // where the access token is shared; before the first call
//	watched, err := channels.Watch(ctx, state)             // by one replica at a time, again at watched.Next
//	for page, err := range channels.Changed(ctx, query)    // by any
//
// Channels that Watch keeps post to the source Notifications, which proves them by the same token secret.
func OpenChannels(setup ingest.Setup, publicURL string, log *slog.Logger) (*Channels, error) {
	var config Config
	if err := setup.Env(&config); err != nil {
		return nil, err
	}
	zoho := config.Zoho
	complete, err := config.hasClient()
	if err == nil && !complete {
		return nil, nil //nolint:nilnil // nothing is configured, which is no error
	}
	if len(zoho.Events) > 0 && publicURL == "" {
		err = errors.Join(err, errors.New("BRIDGE_PUBLIC_URL must be set beside BRIDGE_ZOHO_EVENTS: Zoho posts to it"))
	}
	secrets, wrong := config.tokenSecrets(setup)
	if err = errors.Join(err, wrong); err != nil {
		return nil, err
	}
	return &Channels{
		Client: config.client(log), Account: zoho.Account, Secrets: secrets, PublicURL: publicURL, Events: zoho.Events, Log: log,
	}, nil
}

// hasClient reports whether an OAuth client is configured; half of one is an error.
func (c Config) hasClient() (bool, error) {
	var set, missing []string
	for _, v := range [][2]string{
		{"BRIDGE_ZOHO_CLIENT_ID", c.Zoho.ClientID}, {"BRIDGE_ZOHO_CLIENT_SECRET", c.Zoho.ClientSecret}, {"BRIDGE_ZOHO_REFRESH_TOKEN", c.Zoho.RefreshToken},
	} {
		if v[1] == "" {
			missing = append(missing, v[0])
		} else {
			set = append(set, v[0])
		}
	}
	switch {
	case len(set) > 0 && len(missing) > 0:
		return false, fmt.Errorf("%s must be set beside %s", strings.Join(missing, " and "), strings.Join(set, " and "))
	case len(missing) > 0 && len(c.Zoho.Events) > 0:
		return false, fmt.Errorf("%s must be set beside BRIDGE_ZOHO_EVENTS", strings.Join(missing, ", "))
	}
	return len(missing) == 0, nil
}

// tokenSecrets are those that Notifications proves callbacks with.
func (c Config) tokenSecrets(setup ingest.Setup) (ingest.SecretList, error) {
	if len(c.Zoho.TokenSecret) > 0 {
		return c.Zoho.TokenSecret, nil
	}
	if len(c.Zoho.Tokens) == 0 {
		made, err := setup.MadeSecret(madeTokenSecret)
		if err != nil {
			return nil, err
		}
		if made != "" {
			return ingest.SecretList{made}, nil
		}
	}
	return nil, errors.New("BRIDGE_ZOHO_TOKEN_SECRET must be set beside BRIDGE_ZOHO_CLIENT_ID: the tokens of the bridge's own channels come from it")
}

func (c Config) client(log *slog.Logger) *Client {
	centre := dataCentres[string(c.Zoho.DC)]
	accounts := orDefault(string(c.Zoho.AccountsURL), centre[0])
	return &Client{
		TokenURL: orDefault(string(c.Zoho.TokenURL), accounts+"/oauth/v2/token"), APIURL: orDefault(string(c.Zoho.API.URL), centre[1]),
		Version: c.Zoho.API.Version, ClientID: c.Zoho.ClientID, ClientSecret: c.Zoho.ClientSecret, RefreshToken: c.Zoho.RefreshToken, Log: log,
	}
}
