package bridge

import (
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/config"
	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/schemas"
	"github.com/crm-bridge/crm-bridge/transform"
)

// NewMapping makes events as the settings say, without own secrets and those of CRMs.
func NewMapping(s config.Settings, own []string, crms CRMs) (*transform.Mapping, error) {
	set, err := schemas.Load()
	if err != nil {
		return nil, err
	}
	secrets := map[string]ingest.Secrets{"": {Values: own}}
	for _, crm := range crms {
		for label, of := range crm.Secrets() {
			secrets[transform.OfOrg(label, crm.Org)] = of
		}
	}
	return &transform.Mapping{
		Schemas: set, Redact: transform.NewRedactor(secrets), PublicURL: s.BaseURL(), PerRecord: s.EventPer == "record",
	}, nil
}
