package client

import (
	"crypto/rand"
	"log/slog"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/bridge"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/config"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/datadir"
	"github.com/crm-bridge/crm-bridge/ingest"
)

// FoundOrFresh is FoundSecret for a command that runs without a bridge: where none has run yet, it returns a random secret that is not kept,
// in the place of the one that serve makes at its first start.
func FoundOrFresh(s config.Settings) func(name string) (string, error) {
	fresh := map[string]string{}
	return func(name string) (string, error) {
		secret, err := FoundSecret(s)(name)
		if secret != "" || err != nil || !s.Embedded() {
			return secret, err
		}
		if fresh[name] == "" {
			fresh[name] = rand.Text()
		}
		return fresh[name], nil
	}
}

// OwnSecrets are those of the bridge itself, as far as they can be read here.
func OwnSecrets(s config.Settings) []string {
	all := s.Secrets()
	for _, name := range []string{datadir.AdminSecret, datadir.OwnerSecret} {
		if secret, err := FoundSecret(s)(name); err == nil {
			all = append(all, secret)
		}
	}
	return all
}

// Alone opens the CRMs as serve does, for a command that needs no bridge. State that replicas share is not there.
func Alone(s config.Settings, env *config.Environment) (bridge.CRMs, error) {
	return bridge.Opening{Env: env, Setup: ingest.Setup{
		MadeSecret: FoundOrFresh(s), PublicURLs: s.PublicURL, Log: slog.New(slog.DiscardHandler),
	}}.Open(bridge.Openers)
}
