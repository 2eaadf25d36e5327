package test

import (
	"bytes"
	"encoding/json"
	"net/url"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

// bridge is a crm-bridge whose addresses stay the same after a restart.
type bridge struct {
	process
	crm *crm // whose deals it keeps; nil: it keeps no records
	dir string

	callbacks, admin, nats string // URLs
}

const token = "the-token-of-this-test"

// startBridge starts a bridge on free ports with env, and returns when it serves.
func startBridge(t *testing.T, of *crm, env ...string) *bridge {
	t.Helper()
	b := &bridge{crm: of, process: process{name: "crm-bridge", args: []string{filepath.Join(programs, "crm-bridge")}, said: &said{}}, dir: t.TempDir()}
	env = append(env, "BRIDGE_DATA_DIR="+b.dir, "BRIDGE_ZOHO_TOKENS=*:"+token)
	if of != nil {
		env = append(env, of.env...)
	}
	b.env = append([]string{"BRIDGE_LISTEN=127.0.0.1:0", "BRIDGE_ADMIN_LISTEN=127.0.0.1:0", "BRIDGE_NATS_LISTEN=127.0.0.1:0"}, env...)
	b.serve(t)
	b.env = append([]string{"BRIDGE_LISTEN=" + host(t, b.callbacks), "BRIDGE_ADMIN_LISTEN=" + host(t, b.admin), "BRIDGE_NATS_LISTEN=" + host(t, b.nats)}, env...)
	return b
}

// serve starts the bridge, and returns when it serves.
func (b *bridge) serve(t *testing.T) {
	t.Helper()
	b.start(t)
	until(t, 30*time.Second, b.said.String, func() bool {
		for line := range bytes.Lines(b.said.from(b.begins)) {
			var serving struct{ Msg, Callbacks, Admin, NATS string }
			if json.Unmarshal(line, &serving) == nil && serving.Msg == "serving" {
				b.callbacks, b.admin, b.nats = serving.Callbacks, serving.Admin, serving.NATS
				return true
			}
		}
		return false
	})
}

// backfill publishes the deals that changed in the CRM since two hours, until a time.
func (b *bridge) backfill(t *testing.T, until string) {
	t.Helper()
	command := exec.CommandContext(t.Context(), b.args[0], "backfill", "zoho", "--module", "Deals", "--since", "2h", "--until", until)
	command.Env = b.env
	out, err := command.CombinedOutput()
	if t.Logf("backfill: %s", out); err != nil {
		t.Fatal(err)
	}
}

func host(t *testing.T, address string) string {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	return u.Host
}
