package pipedrive

import (
	"cmp"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
)

// repeatsWithin is how long Pipedrive repeats a callback: 3, 30 and 150 s after the attempt before, each of which may take 10 s.
const repeatsWithin = 4 * time.Minute

// maxWebhooks is how many a user of Pipedrive may have.
const maxWebhooks = 40

// Open gives the bridge what is configured of Pipedrive.
func Open(setup ingest.Setup) (*ingest.CRM, error) {
	var config Config
	if err := setup.Env(&config); err != nil {
		return nil, err
	}
	config.Pipedrive.User = cmp.Or(config.Pipedrive.User, "crm-bridge")
	webhooks, err := config.openWebhooks(setup)
	if err != nil {
		return nil, err
	}
	crm := &ingest.CRM{
		Provider: Provider, Sources: []ingest.Source{webhooks}, Whole: whole, Connect: config.connect(webhooks),
		Words: ingest.Words{
			Name: "Pipedrive", Module: "deal", Target: "module", Wanted: "BRIDGE_PIPEDRIVE_EVENTS", Credentials: []string{"BRIDGE_PIPEDRIVE_API_TOKEN"},
		},
	}
	if len(config.Pipedrive.Password) > 0 || config.Pipedrive.API.Token != "" {
		crm.RepeatsWithin = repeatsWithin
	}
	if setup.State.Shared == nil {
		return crm, nil
	}
	if err := config.check(setup.PublicURL(), webhooks.Passwords); err != nil || config.Pipedrive.API.Token == "" {
		return crm, err
	}
	client := &Client{
		URL: hostOf(cmp.Or(config.Pipedrive.API.URL, "https://api.pipedrive.com")), Token: config.Pipedrive.API.Token,
		Companies: webhooks.Companies, Passwords: webhooks.Passwords,
	}
	name := cmp.Or(setup.Account, "default")
	crm.Accounts = []string{name}
	if len(webhooks.Companies) == 1 {
		crm.Accounts = webhooks.Companies
	}
	records := &Records{Client: client, Name: name}
	crm.Lister, crm.Reader, crm.Clock, crm.Reach = records, records, client.Clock, client.Reach
	crm.Records = ingest.Secrets{Records: []string{"*"}, Values: []string{client.Token}}
	crm.Subjects = config.Pipedrive.Events.Subjects()
	if crm.KeptModules, err = kept(config.Pipedrive.Records, crm.Subjects); err != nil || len(config.Pipedrive.Events) == 0 {
		return crm, err
	}
	subscriber := &Subscriber{
		Client: client, Events: config.Pipedrive.Events, URL: setup.PublicURL() + webhooksPath, User: webhooks.User, Password: webhooks.Passwords[0],
		Log: setup.Log,
	}
	crm.Watcher, crm.Changes = subscriber, subscriber.Changes(setup.State)
	return crm, nil
}

// check returns what is missing for the API.
func (c Config) check(publicURL string, passwords ingest.SecretList) error {
	if len(c.Pipedrive.Records) > 0 && c.Pipedrive.API.Token == "" {
		return errors.New("BRIDGE_PIPEDRIVE_API_TOKEN must be set beside BRIDGE_PIPEDRIVE_RECORDS")
	}
	if len(c.Pipedrive.Events) == 0 {
		return nil
	}
	var wrong []error
	if c.Pipedrive.API.Token == "" {
		wrong = append(wrong, errors.New("BRIDGE_PIPEDRIVE_API_TOKEN must be set beside BRIDGE_PIPEDRIVE_EVENTS"))
	}
	if publicURL == "" {
		wrong = append(wrong, errors.New("BRIDGE_PUBLIC_URL must be set beside BRIDGE_PIPEDRIVE_EVENTS: Pipedrive posts to it"))
	}
	if len(passwords) == 0 {
		wrong = append(wrong, errors.New("BRIDGE_PIPEDRIVE_PASSWORD must be set beside BRIDGE_PIPEDRIVE_EVENTS: it authenticates the bridge's own webhooks"))
	}
	if n := len(c.Pipedrive.Events.subscriptions()); n > maxWebhooks {
		wrong = append(wrong, fmt.Errorf("BRIDGE_PIPEDRIVE_EVENTS needs %d webhooks, and a user may have %d; write all, or module.all", n, maxWebhooks))
	}
	return errors.Join(wrong...)
}

// hostOf returns a URL of the API without the version, which differs between calls: Pipedrive's documents name https://api.pipedrive.com/v1
// and https://<company>.pipedrive.com/api/v1.
func hostOf(url ingest.BaseURL) string {
	for _, version := range []string{"/api/v1", "/api/v2", "/v1"} {
		if host, ok := strings.CutSuffix(string(url), version); ok {
			return host
		}
	}
	return string(url)
}
