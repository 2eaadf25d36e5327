package config

import (
	"fmt"
	"slices"
)

// effects says in which mode variables have an effect. BRIDGE_DATA_DIR and BRIDGE_NATS_LISTEN are not here: the image and unit
// files set them whatever the mode is. A value that equals the default counts as not set.
var effects = []struct {
	variables []string
	has       func(Settings) bool
	why, do   string // why it has no effect, and what to set
}{
	{
		[]string{
			"BRIDGE_DELIVERY", "BRIDGE_NATS_TLS_FIRST", "BRIDGE_NATS_CREDS", "BRIDGE_NATS_NKEY", "BRIDGE_NATS_USER", "BRIDGE_NATS_PASSWORD",
			"BRIDGE_NATS_CA", "BRIDGE_NATS_CERT", "BRIDGE_NATS_KEY",
		},
		func(s Settings) bool { return !s.Embedded() },
		"it is for a remote NATS, and without BRIDGE_NATS_URL the embedded one keeps the stream", "set BRIDGE_NATS_URL",
	},
	{
		[]string{"BRIDGE_NATS_LISTEN_USER", "BRIDGE_NATS_LISTEN_PASSWORD", "BRIDGE_NATS_LISTEN_CERT", "BRIDGE_NATS_LISTEN_KEY"},
		Settings.Embedded,
		"with BRIDGE_NATS_URL consumers connect to that NATS, and not to the embedded one", "unset BRIDGE_NATS_URL",
	},
	{
		[]string{"BRIDGE_JOURNAL_MAX_BYTES"},
		Settings.Journaled,
		"there is a journal only with BRIDGE_NATS_URL and BRIDGE_DELIVERY=journal", "set those",
	},
	{
		[]string{"BRIDGE_SYNC"},
		func(s Settings) bool { return !s.Direct() },
		"with BRIDGE_DELIVERY=direct nothing is written to this machine's disk", "set BRIDGE_DELIVERY=journal",
	},
}

// checkEffects returns a problem for each variable that was set and has no effect in the mode of the others.
func (s Settings) checkEffects(env *Environment) error {
	var found Problems
	for _, rule := range effects {
		if rule.has(s) {
			continue
		}
		for _, v := range env.Variables {
			if slices.Contains(rule.variables, v.Name) && v.From != "default" && v.Value != v.Default {
				found.Add(fmt.Errorf("%s has no effect: %s; %s, or unset %s", v.Name, rule.why, rule.do, v.SetBy()))
			}
		}
	}
	return found.Err()
}
