package client

import (
	"fmt"
	"path/filepath"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/config"
	"github.com/crm-bridge/crm-bridge/ingest"
)

// UsedSecret returns which secret authenticated a sample of a CRM's source, and which variable sets it; never its value. token is
// that of --token; empty: the source's own.
func UsedSecret(s config.Settings, env *config.Environment, crm *ingest.CRM, source ingest.Source, token string) string {
	variable, file, ok := crm.Proof(source)
	switch {
	case token != "":
		return "the value of --token; leave it out to use what is configured"
	case !ok:
		return "what is configured"
	}
	for _, v := range env.Variables {
		switch {
		case v.Name != variable:
		case v.From == "environment":
			return fmt.Sprintf("the first entry of %s; set it as the bridge has it", variable)
		case v.From != "default":
			return fmt.Sprintf("the first entry of %s (%s); set it as the bridge has it", v.SetBy(), v.From)
		}
	}
	return fmt.Sprintf("the secret in %s, which a bridge made; set BRIDGE_DATA_DIR to the folder of the running bridge, or %s as it has it",
		filepath.Join(s.DataDir, file), variable)
}

// Rejected returns the error of a command whose callback got a 401.
func Rejected(used string) error {
	return fmt.Errorf("the bridge rejected the callback (401), and its log says why; it was authenticated with %s", used)
}
