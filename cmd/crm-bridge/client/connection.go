package client

import (
	"path/filepath"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/bridge"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/config"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/datadir"
	"github.com/crm-bridge/crm-bridge/ingest"
)

// LoadMaking is Load for the orgs of one provider, whose missing secrets it makes in the data folder, as the embedded bridge does at its
// start. made are the files of those that did not exist.
func LoadMaking(provider string) (s config.Settings, orgs bridge.CRMs, made []string, err error) {
	if s, _, err = Load(&config.Environment{}); err != nil {
		return s, nil, nil, err
	}
	setup := ingest.Setup{PublicURLs: s.PublicURL, MadeSecret: func(name string) (string, error) {
		if !s.Embedded() {
			return "", nil
		}
		secret, isNew, err := datadir.MakeSecret(s.DataDir, name)
		if isNew {
			made = append(made, filepath.Join(s.DataDir, name))
		}
		return secret, err
	}}
	orgs, err = bridge.Opening{Env: &config.Environment{}, Setup: setup}.Open([]bridge.Opener{bridge.OpenerOf(provider)})
	return s, orgs, made, err
}
