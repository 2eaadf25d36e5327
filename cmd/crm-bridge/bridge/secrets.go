package bridge

import (
	"log/slog"
	"slices"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/config"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/datadir"
	"github.com/crm-bridge/crm-bridge/ingest"
)

// ownSecrets are those of the bridge itself, which no callback should ever hold.
func ownSecrets(s config.Settings, data *datadir.Dir) ([]string, error) {
	password, err := data.Secret(datadir.OwnerSecret)
	if err != nil {
		return nil, err
	}
	token, err := data.Secret(datadir.AdminSecret)
	return append(s.Secrets(), token, password), err
}

// shortSecret is the length from which a secret can be masked wherever it stands.
const shortSecret = 12

func isShort(secret string) bool { return len(secret) < shortSecret }

// warnOfSecrets warns of sources whose secrets are missing, or too short. Of a first org nothing is missing where another one is
// configured.
func warnOfSecrets(crms CRMs, log *slog.Logger) {
	configured := map[string]bool{}
	for _, source := range crms.further().Sources() {
		configured[source.Label()] = configured[source.Label()] || hasSecret(source)
	}
	for _, crm := range crms {
		log := log
		if crm.Org != "" {
			log = log.With("org", crm.Org)
		}
		for _, source := range crm.Sources {
			label, values := source.Label(), source.Secrets().Values
			if slices.ContainsFunc(values, isShort) {
				log.Warn("a secret of this source is short: it can be guessed, and cannot be masked inside other text", "source", label, "shorter_than", shortSecret)
			}
			if !hasSecret(source) && (crm.Org != "" || !configured[label]) {
				log.Warn("no secret is configured for this source: it answers 401 to everything", "source", label)
			}
		}
	}
}

// hasSecret reports whether a source can authenticate callbacks: it has a secret, or may learn one from its CRM.
func hasSecret(source ingest.Source) bool {
	learner, ok := source.(ingest.Learner)
	return len(source.Secrets().Values) > 0 || ok && learner.LearnsSecrets()
}
