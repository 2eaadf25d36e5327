package bridge

import (
	"fmt"
	"strings"

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
	var identity []string
	for _, crm := range crms {
		identity = append(identity, crm.Identity...)
	}
	if err := knownProviders(s, crms); err != nil {
		return nil, err
	}
	return &transform.Mapping{
		Schemas: set, Redact: transform.NewRedactor(secrets), Masks: transform.NewMasks(s.FieldsDrop, s.FieldsHash, s.FieldsKey, identity...), PublicURL: s.BaseURL(), PerRecord: s.EventPer == "record",
	}, nil
}

// knownProviders returns an error that names a masked field of a CRM which the bridge does not know: it would mask nothing.
func knownProviders(s config.Settings, crms CRMs) error {
	for _, list := range []struct {
		variable string
		fields   ingest.Fields
	}{{"BRIDGE_FIELDS_DROP", s.FieldsDrop}, {"BRIDGE_FIELDS_HASH", s.FieldsHash}} {
		for _, field := range list.fields {
			if field.Provider != "*" && len(crms.OfProvider(field.Provider)) == 0 {
				return fmt.Errorf("%s names %q, which is no CRM that the bridge knows: %s, or * for all", list.variable, field.Provider, strings.Join(crms.Providers(), ", "))
			}
		}
	}
	return nil
}
