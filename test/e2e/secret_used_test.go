package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
)

// A command that is rejected for its secret says in one sentence which one it used and what sets it, and never its value.
func TestRejectedCommandNamesItsSecret(t *testing.T) {
	dir, file := t.TempDir(), filepath.Join(t.TempDir(), "secret")
	b := start(t, dir)
	if err := os.WriteFile(file, []byte("planted-wrong-value\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	other := t.TempDir() // the folder of another bridge, which made secrets of its own
	for _, name := range []string{"zoho-token-secret", "admin-token"} {
		if err := os.WriteFile(filepath.Join(other, name), []byte("planted-wrong-value"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	remote := withOptions(t, &server.Options{Users: []*server.User{{Username: "u", Password: "p"}}})
	at := []string{"BRIDGE_LISTEN=" + strings.TrimPrefix(b.Callbacks, "http://"), "BRIDGE_ADMIN_LISTEN=" + strings.TrimPrefix(b.Admin, "http://")}
	const wrong = "planted-wrong-value"
	for _, test := range []struct {
		name, command string
		env           []string
		says          []string
	}{
		{"--token", "send --token " + wrong, nil, []string{"--token"}},
		{"tokens", "send", []string{"BRIDGE_ZOHO_TOKENS=*:" + wrong}, []string{"the first entry of BRIDGE_ZOHO_TOKENS;"}},
		{"a token secret", "send --count 2", []string{"BRIDGE_ZOHO_TOKEN_SECRET=" + wrong}, []string{"the first entry of BRIDGE_ZOHO_TOKEN_SECRET;"}},
		{"a file", "send zoho-webhooks", []string{"BRIDGE_ZOHO_WEBHOOK_SECRET_FILE=" + file}, []string{"BRIDGE_ZOHO_WEBHOOK_SECRET_FILE", file}},
		{"another folder", "send", []string{"BRIDGE_DATA_DIR=" + other}, []string{filepath.Join(other, "zoho-token-secret"), "set BRIDGE_DATA_DIR"}},
		{"Bitrix24's events", "send bitrix24-events", []string{"BRIDGE_BITRIX24_TOKENS=*:" + wrong}, []string{"BRIDGE_BITRIX24_TOKENS"}},
		{"Bitrix24's workflows", "send bitrix24-workflows --module Deal", []string{"BRIDGE_BITRIX24_WORKFLOW_SECRET=" + wrong}, []string{"BRIDGE_BITRIX24_WORKFLOW_SECRET"}},
		{"a callback's own", "send --file " + file, []string{"BRIDGE_ZOHO_TOKENS=*:" + wrong}, []string{file}},
		{"a roundtrip", "check --roundtrip", []string{"BRIDGE_ZOHO_TOKENS=*:" + wrong}, []string{b.Callbacks, "the first entry of BRIDGE_ZOHO_TOKENS;"}},
		{"a roundtrip in another folder", "check --roundtrip", []string{"BRIDGE_DATA_DIR=" + other}, []string{filepath.Join(other, "zoho-token-secret")}},
		{"quarantine", "quarantine list", []string{"BRIDGE_DATA_DIR=" + other}, []string{filepath.Join(other, "admin-token"), "BRIDGE_DATA_DIR"}},
		{"a remote's password", "tail --count 1", []string{"BRIDGE_NATS_URL=" + remote.ClientURL(), "BRIDGE_NATS_USER=u", "BRIDGE_NATS_PASSWORD=" + wrong}, []string{"BRIDGE_NATS_USER and BRIDGE_NATS_PASSWORD"}},
		{"a remote's URL", "tail --count 1", []string{"BRIDGE_NATS_URL=" + strings.Replace(remote.ClientURL(), "//", "//u:"+wrong+"@", 1)}, []string{"the user in BRIDGE_NATS_URL"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			out, code := elsewhere(t, append(at, test.env...), strings.Fields(test.command)...)
			if code != 1 || strings.Contains(out, wrong) {
				t.Errorf("it ended with %d: %s", code, out)
			}
			for _, part := range test.says {
				if !strings.Contains(out, part) {
					t.Errorf("%s does not say %s", out, part)
				}
			}
		})
	}
}
