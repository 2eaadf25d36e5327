package main

import (
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/config"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/datadir"
	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/schemas"
	"github.com/crm-bridge/crm-bridge/transform"
)

// newMapping makes events as the settings say, without own secrets and those of sources and APIs.
func newMapping(s config.Settings, own []string, sources map[string]ingest.Source, apis map[string]*api) (*transform.Mapping, error) {
	set, err := schemas.Load()
	if err != nil {
		return nil, err
	}
	secrets := map[string]ingest.Secrets{"": {Values: own}}
	for label, source := range sources {
		secrets[label] = source.Secrets()
	}
	for _, one := range apis {
		secrets[one.records] = one.secrets
	}
	return &transform.Mapping{
		Schemas: set, Redact: transform.NewRedactor(secrets), PublicURL: s.BaseURL(), PerRecord: s.EventPer == "record",
	}, nil
}

// ownSecrets are those of the bridge itself, which no callback should ever hold.
func ownSecrets(s config.Settings, data *datadir.Dir) ([]string, error) {
	password, err := data.Secret(datadir.OwnerSecret)
	if err != nil {
		return nil, err
	}
	token, err := data.Secret(datadir.AdminSecret)
	return []string{s.NATS.ListenPassword, s.NATS.Password, token, password, s.StateKey}, err
}
