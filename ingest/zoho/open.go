package zoho

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"

	"github.com/crm-bridge/crm-bridge/ingest"
)

// Open gives the bridge what is configured of Zoho CRM.
func Open(setup ingest.Setup) (*ingest.CRM, error) {
	var config Config
	if err := setup.Env(&config); err != nil {
		return nil, err
	}
	notifications, err := config.openNotifications(setup)
	if err != nil {
		return nil, err
	}
	webhooks, err := config.openWebhooks(setup)
	if err != nil {
		return nil, err
	}
	crm := &ingest.CRM{
		Provider: Provider, Sources: []ingest.Source{notifications, webhooks}, RepeatsWithin: webhooks.repeatsWithin(), Simulate: simulate, Whole: whole,
		Connect: config.connect(notifications, webhooks),
		Words: ingest.Words{
			Name: "Zoho CRM", Module: "Deals", Target: "module", Wanted: "BRIDGE_ZOHO_EVENTS",
			Credentials: []string{"BRIDGE_ZOHO_CLIENT_ID", "BRIDGE_ZOHO_CLIENT_SECRET", "BRIDGE_ZOHO_REFRESH_TOKEN"},
		},
	}
	if setup.State.Shared == nil {
		return crm, nil
	}
	complete, err := config.hasClient()
	if err == nil && !complete {
		return crm, nil
	}
	channels, wrong := config.openChannels(setup, notifications.TokenSecrets)
	if err = errors.Join(err, wrong); err != nil {
		return nil, err
	}
	crm.Accounts, crm.Subjects = []string{channels.Account}, channels.Events.Subjects()
	crm.Lister, crm.Reader, crm.Clock, crm.Reach, crm.Records = channels, channels, channels.Clock, channels.Client.Reach, channels.RecordsSecrets()
	if crm.KeptModules, err = config.Zoho.Records.Kept(crm.Subjects, "BRIDGE_ZOHO_EVENTS"); err != nil {
		return nil, fmt.Errorf("BRIDGE_ZOHO_RECORDS: %w", err)
	}
	if len(channels.Events) > 0 {
		crm.Watcher = channels
	}
	each := func(do func(context.Context, ingest.State, ...string) ([]ingest.Channel, error)) func(context.Context, string) ([]ingest.Channel, error) {
		return func(ctx context.Context, module string) ([]ingest.Channel, error) {
			if module == "" {
				return do(ctx, setup.State)
			}
			return do(ctx, setup.State, module)
		}
	}
	crm.Changes = map[string]func(context.Context, string) ([]ingest.Channel, error){
		"enable": each(channels.Enable), "renew": each(channels.Renew), "disable": each(channels.Disable),
	}
	return crm, nil
}

// openChannels configures the keeping of channels, and the reading of records. Callbacks are authenticated by secrets, which
// the tokens of the bridge's own channels come from.
func (c Config) openChannels(setup ingest.Setup, secrets ingest.SecretList) (*Channels, error) {
	var wrong []error
	if len(c.Zoho.Events) > 0 && setup.PublicURL() == "" {
		wrong = append(wrong, errors.New("BRIDGE_PUBLIC_URL must be set beside BRIDGE_ZOHO_EVENTS: Zoho posts to it"))
	}
	if len(secrets) == 0 {
		wrong = append(wrong, errors.New("BRIDGE_ZOHO_TOKEN_SECRET must be set beside BRIDGE_ZOHO_CLIENT_ID: the tokens of the bridge's own channels come from it"))
	}
	if len(wrong) > 0 {
		return nil, errors.Join(wrong...)
	}
	client := c.client(setup.Log)
	client.State = setup.State
	return &Channels{Client: client, Account: c.Zoho.Account, Secrets: secrets, PublicURL: setup.PublicURL(), Events: c.Zoho.Events, Log: setup.Log}, nil
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
	case len(missing) > 0 && len(c.Zoho.Records) > 0:
		return false, fmt.Errorf("%s must be set beside BRIDGE_ZOHO_RECORDS", strings.Join(missing, ", "))
	}
	return len(missing) == 0, nil
}

func (c Config) client(log *slog.Logger) *Client {
	centre := dataCentres[string(c.Zoho.DC)]
	accounts := cmp.Or(string(c.Zoho.AccountsURL), centre[0])
	return &Client{
		TokenURL: cmp.Or(string(c.Zoho.TokenURL), accounts+"/oauth/v2/token"), APIURL: cmp.Or(string(c.Zoho.API.URL), centre[1]),
		Version: c.Zoho.API.Version, ClientID: c.Zoho.ClientID, ClientSecret: c.Zoho.ClientSecret, RefreshToken: c.Zoho.RefreshToken, Log: log,
	}
}
