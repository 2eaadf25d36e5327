package bridge

import (
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/config"
	"github.com/crm-bridge/crm-bridge/ingest"
)

// connections returns how the CRMs are connected in an environment of some variables.
func connections(t *testing.T, made bool, env map[string]string) map[string]Connection {
	t.Helper()
	for _, entry := range os.Environ() {
		if name, value, _ := strings.Cut(entry, "="); strings.HasPrefix(name, "BRIDGE_") {
			t.Setenv(name, value)
			_ = os.Unsetenv(name)
		}
	}
	for name, value := range env {
		t.Setenv(name, value)
	}
	crms, err := Opening{Env: &config.Environment{}, Setup: ingest.Setup{MadeSecret: func(name string) (string, error) {
		if made {
			return "made-" + name, nil
		}
		return "", nil
	}}}.Open(Openers)
	if err != nil {
		t.Fatal(err)
	}
	all, err := crms.Connections("https://crm.test", "", "")
	if err != nil {
		t.Fatal(err)
	}
	of := map[string]Connection{}
	for _, one := range all {
		of[one.Provider+"/"+one.Account] = one
	}
	return of
}

// Every source of every CRM has a step, which says where and what; values that hold a secret are marked, and the URLs are the bridge's.
func TestEverySourceIsConnected(t *testing.T) {
	all := connections(t, true, nil)
	for _, crm := range Known() {
		if crm.Connect == nil {
			t.Errorf("%s: nothing says how it is connected", crm.Provider)
			continue
		}
		var connection Connection
		for _, one := range all {
			if one.Provider == crm.Provider {
				connection = one
			}
		}
		for _, source := range crm.Sources {
			if !slices.ContainsFunc(connection.Instructions, func(step ingest.Instruction) bool { return step.Source == source.Label() }) {
				t.Errorf("%s has no step", source.Label())
			}
		}
		ours := false
		for _, step := range connection.Instructions {
			if step.Heading == "" || step.Text == "" || !step.Done && len(step.Paste)+len(step.Set) == 0 {
				t.Errorf("%s: a step says nothing: %+v", crm.Provider, step)
			}
			for _, paste := range step.Paste {
				if paste.Name == "" || paste.Value == "" || !slices.Contains([]ingest.PasteKind{ingest.PasteURL, ingest.PasteJSON, ingest.PasteToken, ingest.PasteText}, paste.Kind) {
					t.Errorf("%s: %+v", crm.Provider, paste)
				}
				ours = ours || paste.Kind == ingest.PasteURL && strings.HasPrefix(paste.Value, "https://crm.test/")
				if (strings.Contains(paste.Value, "made-") || strings.Contains(paste.Value, "proof=") || paste.Kind == ingest.PasteToken) && !paste.Secret {
					t.Errorf("%s: %s holds a secret and is not marked", crm.Provider, paste.Name)
				}
			}
		}
		if !ours {
			t.Errorf("%s: no step has a URL of the bridge", crm.Provider)
		}
	}
}

// Without secrets each step has a new one, the same wherever it is pasted and set, and a further org's variables are its own.
func TestMissingSecretsAreSet(t *testing.T) {
	all := connections(t, false, map[string]string{"BRIDGE_PIPEDRIVE_ACCOUNTS": "emea"})
	for account, variable := range map[string]string{"": "BRIDGE_PIPEDRIVE_PASSWORD", "emea": "BRIDGE_PIPEDRIVE_EMEA_PASSWORD"} {
		steps := all["pipedrive/"+account].Instructions
		own := steps[len(steps)-1]
		i := slices.IndexFunc(own.Set, func(one ingest.Setting) bool { return one.Variable == variable })
		j := slices.IndexFunc(own.Paste, func(one ingest.Paste) bool { return one.Name == "HTTP Auth password" })
		if i < 0 || j < 0 || own.Set[i].Value != own.Paste[j].Value || len(own.Set[i].Value) < 20 || !own.Set[i].Secret {
			t.Fatalf("%s: %+v", account, own)
		}
		if !slices.Contains(steps[0].Set, own.Set[i]) {
			t.Errorf("%s: two steps set other passwords: %+v", account, steps)
		}
	}
	if a, b := all["pipedrive/"].Instructions[1].Set[0], all["pipedrive/emea"].Instructions[1].Set[0]; a.Value == b.Value {
		t.Error("two orgs share a password")
	}
}

// What the bridge does by itself leaves nothing to paste; with half of the credentials the missing variables are named.
func TestKeptByTheBridge(t *testing.T) {
	const complete = "complete"
	for _, test := range []struct {
		name, at string
		env      map[string]string
		missing  string // the variables, or complete
	}{
		{"Zoho", "zoho/default", map[string]string{
			"BRIDGE_ZOHO_CLIENT_ID": "1000.C", "BRIDGE_ZOHO_CLIENT_SECRET": "planted", "BRIDGE_ZOHO_REFRESH_TOKEN": "planted", "BRIDGE_ZOHO_EVENTS": "Deals.all",
		}, complete},
		{"Zoho in part", "zoho/default", map[string]string{"BRIDGE_ZOHO_CLIENT_ID": "1000.C", "BRIDGE_ZOHO_EVENTS": "Deals.all"}, "BRIDGE_ZOHO_CLIENT_SECRET BRIDGE_ZOHO_REFRESH_TOKEN"},
		{"Zoho without credentials", "zoho/default", map[string]string{"BRIDGE_ZOHO_EVENTS": "Deals.all"}, "BRIDGE_ZOHO_CLIENT_ID BRIDGE_ZOHO_CLIENT_SECRET BRIDGE_ZOHO_REFRESH_TOKEN"},
		{"Pipedrive", "pipedrive/", map[string]string{"BRIDGE_PIPEDRIVE_API_TOKEN": "planted", "BRIDGE_PIPEDRIVE_EVENTS": "deal.all,person.delete"}, complete},
		{"Pipedrive in part", "pipedrive/", map[string]string{"BRIDGE_PIPEDRIVE_EVENTS": "deal.all"}, "BRIDGE_PIPEDRIVE_API_TOKEN"},
		{"HubSpot's journal", "hubspot/", map[string]string{"BRIDGE_HUBSPOT_JOURNAL": "contact:email"}, complete},
		{"Bitrix24 in part", "bitrix24/", map[string]string{"BRIDGE_BITRIX24_CLIENT_ID": "local.1", "BRIDGE_BITRIX24_EVENTS": "Deal.all"}, "BRIDGE_BITRIX24_CLIENT_SECRET BRIDGE_BITRIX24_PORTALS"},
	} {
		t.Run(test.name, func(t *testing.T) {
			all := connections(t, true, test.env)
			first := all[test.at].Instructions[0]
			var missing []string
			from := map[string]string{}
			for _, one := range first.Set {
				if other := from[one.From]; one.From != "" && other != "" {
					t.Errorf("%s and %s are both said to be %s", other, one.Variable, one.From)
				}
				from[one.From] = one.Variable
				missing = append(missing, one.Variable)
				if one.Value == "" && one.From == "" {
					t.Errorf("nothing says where %s comes from", one.Variable)
				}
			}
			if got := strings.Join(missing, " "); test.missing == complete && (!first.Done || got != "") || test.missing != complete && (first.Done || got != test.missing) {
				t.Errorf("done %t, missing %q", first.Done, got)
			}
			if strings.Contains(first.Text, "planted") {
				t.Errorf("a credential is shown: %s", first.Text)
			}
		})
	}
}

// With tokens of one's own the channel is one of those, for all events together.
func TestOwnTokensAreShown(t *testing.T) {
	all := connections(t, true, map[string]string{"BRIDGE_ZOHO_TOKENS": "*:any-token,77:own-token"})
	var shown []string
	for _, step := range all["zoho/default"].Instructions {
		for _, paste := range step.Paste {
			shown = append(shown, paste.Name+"="+paste.Value)
		}
	}
	for _, want := range []string{"token of channel 77=own-token", "notify_url of channel 77=https://crm.test/zoho/notifications"} {
		if !slices.Contains(shown, want) {
			t.Errorf("%q is not in %q", want, shown)
		}
	}
}

// What a CRM in the internet cannot call is doubted.
func TestDoubtURL(t *testing.T) {
	for url, doubted := range map[string]bool{
		"https://crm.example.com": false, "http://crm.example.com": true, "https://localhost:8443": true, "https://10.1.2.3": true, "https://[::1]": true, "https://203.0.113.7": false,
	} {
		if got := DoubtURL(url); (got != "") != doubted {
			t.Errorf("%s: %q", url, got)
		}
	}
}
