package main

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/bridge"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/client"
	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/config"
	"github.com/crm-bridge/crm-bridge/ingest"
)

// twoOrgs configure a first and a further Zoho org.
var twoOrgs = map[string]string{
	"BRIDGE_ZOHO_ACCOUNTS": "emea", "BRIDGE_ZOHO_TOKENS": "1:" + planted, "BRIDGE_ZOHO_EMEA_TOKENS": "1:" + planted + "-of-emea",
	"BRIDGE_ZOHO_WEBHOOK_SECRET": planted + "-webhook", "BRIDGE_ZOHO_EMEA_WEBHOOK_SECRET": planted + "-webhook-of-emea",
}

// load reads an environment in which nothing else is set.
func load(t *testing.T, variables ...map[string]string) (*config.Environment, bridge.CRMs, error) {
	t.Helper()
	clean(t)
	for _, some := range variables {
		for name, value := range some {
			t.Setenv(name, value)
		}
	}
	env := &config.Environment{}
	_, all, err := client.Load(env)
	return env, all, err
}

// Each further org has every variable of its CRM for itself, from the environment or a file; names of orgs that do not work, and values
// that two orgs must not share, are refused by the names of the variables, and never shown.
func TestOrgsOfTheEnvironment(t *testing.T) {
	file := filepath.Join(t.TempDir(), "secret")
	if err := os.WriteFile(file, []byte(planted+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		name string
		env  map[string]string
		says string // part of the error; empty: it is taken
	}{
		{"two orgs", twoOrgs, ""},
		{"an org alone", map[string]string{"BRIDGE_ZOHO_ACCOUNTS": "emea", "BRIDGE_ZOHO_EMEA_TOKENS": "1:" + planted}, ""},
		{"an org without a variable", map[string]string{"BRIDGE_ZOHO_ACCOUNTS": "emea"}, ""},
		{"a dash", map[string]string{"BRIDGE_ZOHO_ACCOUNTS": "us-east, Emea_2", "BRIDGE_ZOHO_US_EAST_DC": "us", "BRIDGE_ZOHO_EMEA_2_API_VERSION": "v4"}, ""},
		{"one name begins with another", map[string]string{"BRIDGE_ZOHO_ACCOUNTS": "us,us-east", "BRIDGE_ZOHO_US_EAST_DC": "us", "BRIDGE_ZOHO_US_DC": "eu"}, ""},
		{"empty entries", map[string]string{"BRIDGE_ZOHO_ACCOUNTS": "emea,, us,", "BRIDGE_ZOHO_US_DC": "us"}, ""},
		{"of another CRM", map[string]string{"BRIDGE_BITRIX24_ACCOUNTS": "emea", "BRIDGE_BITRIX24_EMEA_TOKENS": "*:" + planted}, ""},
		{"a file", map[string]string{"BRIDGE_ZOHO_ACCOUNTS": "emea", "BRIDGE_ZOHO_EMEA_TOKEN_SECRET_FILE": file}, ""},
		{"the names from a file", map[string]string{"BRIDGE_ZOHO_ACCOUNTS_FILE": nameFile(t, "emea\nus\n"), "BRIDGE_ZOHO_US_TOKENS": "1:" + planted}, ""},

		{"a name with a space", map[string]string{"BRIDGE_ZOHO_ACCOUNTS": planted + " x"}, "BRIDGE_ZOHO_ACCOUNTS entry 1 must be 1 to 40 of the characters"},
		{"a long name", map[string]string{"BRIDGE_ZOHO_ACCOUNTS": strings.Repeat("x", 41)}, "BRIDGE_ZOHO_ACCOUNTS entry 1 must be 1 to 40 of the characters"},
		{"many names", map[string]string{"BRIDGE_ZOHO_ACCOUNTS": "a" + strings.Join(slices.Repeat([]string{""}, 51), ",a")}, "BRIDGE_ZOHO_ACCOUNTS holds more than 50 names"},
		{"the same name", map[string]string{"BRIDGE_ZOHO_ACCOUNTS": "emea,emea"}, "BRIDGE_ZOHO_ACCOUNTS entry 2 would have the same variables"},
		{"another case", map[string]string{"BRIDGE_ZOHO_ACCOUNTS": "emea,EMEA"}, "BRIDGE_ZOHO_ACCOUNTS entry 2 would have the same variables"},
		{"another dash", map[string]string{"BRIDGE_ZOHO_ACCOUNTS": "us-east,us_east"}, "BRIDGE_ZOHO_ACCOUNTS entry 2 would have the same variables"},
		{"a word of a variable", map[string]string{"BRIDGE_ZOHO_ACCOUNTS": "Client"}, "BRIDGE_ZOHO_ACCOUNTS entry 1 is the first word of BRIDGE_ZOHO_CLIENT_ID"},
		{"a variable", map[string]string{"BRIDGE_ZOHO_ACCOUNTS": "dc"}, "BRIDGE_ZOHO_ACCOUNTS entry 1 is the first word of BRIDGE_ZOHO_DC"},
		{"the variable of the names", map[string]string{"BRIDGE_ZOHO_ACCOUNTS": "accounts"}, "BRIDGE_ZOHO_ACCOUNTS entry 1 is the "},
		{"no names of an org's own", map[string]string{"BRIDGE_ZOHO_ACCOUNTS": "emea", "BRIDGE_ZOHO_EMEA_ACCOUNTS": "us"}, "BRIDGE_ZOHO_EMEA_ACCOUNTS is not a variable"},

		{"a misspelt variable", map[string]string{"BRIDGE_ZOHO_ACCOUNTS": "emea", "BRIDGE_ZOHO_EMEA_TOKEN": planted}, "BRIDGE_ZOHO_EMEA_TOKEN is not a variable of crm-bridge; the nearest is BRIDGE_ZOHO_EMEA_TOKENS"},
		{"an org that is not named", map[string]string{"BRIDGE_ZOHO_EMEA_TOKENS": planted}, "or its org is missing in BRIDGE_ZOHO_ACCOUNTS"},
		{"a file of an org that is not named", map[string]string{"BRIDGE_ZOHO_EMEA_TOKENS_FILE": file}, "or its org is missing in BRIDGE_ZOHO_ACCOUNTS"},
		{"a value that cannot be read", map[string]string{"BRIDGE_ZOHO_ACCOUNTS": "emea", "BRIDGE_ZOHO_EMEA_TOKENS": planted}, "BRIDGE_ZOHO_EMEA_TOKENS entry 1 is not of the form id:token"},
		{"a file and a value", map[string]string{"BRIDGE_ZOHO_ACCOUNTS": "emea", "BRIDGE_ZOHO_EMEA_TOKENS_FILE": file, "BRIDGE_ZOHO_EMEA_TOKENS": "1:" + planted}, "BRIDGE_ZOHO_EMEA_TOKENS and BRIDGE_ZOHO_EMEA_TOKENS_FILE are both set"},

		{"a shared token", map[string]string{"BRIDGE_ZOHO_ACCOUNTS": "emea", "BRIDGE_ZOHO_TOKENS": "1:x-token,2:" + planted, "BRIDGE_ZOHO_EMEA_TOKENS": "3:" + planted}, "BRIDGE_ZOHO_TOKENS and BRIDGE_ZOHO_EMEA_TOKENS hold the same value"},
		{"a shared token of two further orgs", map[string]string{"BRIDGE_ZOHO_ACCOUNTS": "us,emea", "BRIDGE_ZOHO_US_TOKENS": "1:" + planted, "BRIDGE_ZOHO_EMEA_TOKENS": "1:" + planted}, "BRIDGE_ZOHO_US_TOKENS and BRIDGE_ZOHO_EMEA_TOKENS hold the same value"},
		{"a shared secret of channels", map[string]string{"BRIDGE_ZOHO_ACCOUNTS": "emea", "BRIDGE_ZOHO_TOKEN_SECRET": "new-secret," + planted, "BRIDGE_ZOHO_EMEA_TOKEN_SECRET_FILE": file}, "BRIDGE_ZOHO_TOKEN_SECRET and BRIDGE_ZOHO_EMEA_TOKEN_SECRET_FILE hold the same value"},
		{"a shared secret of webhooks", map[string]string{"BRIDGE_ZOHO_ACCOUNTS": "emea", "BRIDGE_ZOHO_WEBHOOK_SECRET": planted, "BRIDGE_ZOHO_EMEA_WEBHOOK_SECRET": planted}, "BRIDGE_ZOHO_WEBHOOK_SECRET and BRIDGE_ZOHO_EMEA_WEBHOOK_SECRET hold the same value"},
		{"a secret shared by two variables", map[string]string{"BRIDGE_ZOHO_ACCOUNTS": "emea", "BRIDGE_ZOHO_WEBHOOK_SECRET": planted, "BRIDGE_ZOHO_EMEA_TOKEN_SECRET": planted}, "hold the same value"},
		{"a secret of two variables of one org", map[string]string{"BRIDGE_ZOHO_ACCOUNTS": "emea", "BRIDGE_ZOHO_EMEA_WEBHOOK_SECRET": planted, "BRIDGE_ZOHO_EMEA_TOKEN_SECRET": planted}, ""},
		{"a shared portal", map[string]string{"BRIDGE_BITRIX24_ACCOUNTS": "emea", "BRIDGE_BITRIX24_PORTALS": "one,two", "BRIDGE_BITRIX24_EMEA_PORTALS": "two"}, "BRIDGE_BITRIX24_PORTALS and BRIDGE_BITRIX24_EMEA_PORTALS hold the same value"},
		{"a shared OAuth client", map[string]string{"BRIDGE_ZOHO_ACCOUNTS": "emea", "BRIDGE_ZOHO_CLIENT_SECRET": planted, "BRIDGE_ZOHO_EMEA_CLIENT_SECRET": planted}, ""},
		{"a shared account", map[string]string{"BRIDGE_ZOHO_ACCOUNTS": "emea", "BRIDGE_ZOHO_ACCOUNT": "emea"}, "BRIDGE_ZOHO_ACCOUNT and BRIDGE_ZOHO_EMEA_ACCOUNT hold the same value"},
		{"the account of the first org", map[string]string{"BRIDGE_ZOHO_ACCOUNTS": "default"}, "BRIDGE_ZOHO_ACCOUNT and BRIDGE_ZOHO_DEFAULT_ACCOUNT hold the same value"},
		{"an account that is not a name", map[string]string{"BRIDGE_ZOHO_ACCOUNT": "the org"}, "BRIDGE_ZOHO_ACCOUNT must be 1 to 40 of the characters"},
	} {
		t.Run(test.name, func(t *testing.T) {
			env, _, err := load(t, test.env)
			switch {
			case test.says == "" && err != nil:
				t.Errorf("refused: %v", err)
			case test.says != "" && (err == nil || !strings.Contains(err.Error(), test.says)):
				t.Errorf("said %v", err)
			}
			for _, problem := range env.Problems {
				if strings.Contains(problem.Error(), planted) {
					t.Errorf("a problem shows the value: %v", problem)
				}
			}
		})
	}
}

// A secret that the bridge has made for one org authenticates nothing of another.
func TestOrgsShareNoMadeSecret(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "zoho-webhook-secret"), []byte(planted), 0o600); err != nil {
		t.Fatal(err)
	}
	emea := map[string]string{"BRIDGE_DATA_DIR": dir, "BRIDGE_ZOHO_ACCOUNTS": "emea", "BRIDGE_ZOHO_EMEA_WEBHOOK_SECRET": planted}
	_, _, err := load(t, emea)
	if says := "the file zoho-webhook-secret in BRIDGE_DATA_DIR and BRIDGE_ZOHO_EMEA_WEBHOOK_SECRET hold the same value"; err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), planted) {
		t.Errorf("said %v", err)
	}
	if _, _, err = load(t, emea, map[string]string{"BRIDGE_ZOHO_WEBHOOK_SECRET": "another-" + planted}); err != nil {
		t.Errorf("the file is not used, and refused: %v", err)
	}
}

// nameFile returns a file that holds names.
func nameFile(t *testing.T, names string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "names")
	if err := os.WriteFile(path, []byte(names), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// An org is called in events as BRIDGE_ZOHO_ACCOUNTS writes it, unless its own variable says otherwise; the first org stays.
func TestOrgsHaveAccounts(t *testing.T) {
	_, all, err := load(t, map[string]string{"BRIDGE_ZOHO_ACCOUNTS": "Emea-1,us", "BRIDGE_ZOHO_US_ACCOUNT": "America", "BRIDGE_BITRIX24_ACCOUNTS": "agency"})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, crm := range all {
		if crm.Provider == "zoho" || crm.Provider == "bitrix24" {
			got = append(got, crm.Key()+"="+crm.Account)
		}
	}
	want := []string{"zoho=default", "zoho.emea_1=Emea-1", "zoho.us=America", "bitrix24=", "bitrix24.agency=agency"}
	if !slices.Equal(got, want) {
		t.Errorf("orgs %q, want %q", got, want)
	}
	for account, key := range map[string]string{"": "zoho", "default": "zoho", "Emea-1": "zoho.emea_1", "America": "zoho.us"} {
		crm, source := all.SourceOf("zoho-notifications", account)
		if source == nil || crm.Key() != key {
			t.Errorf("the source of %q is that of %v", account, crm)
			continue
		}
		cb, err := source.(ingest.Sampler).Sample(ingest.Change{Operation: "edit", IDs: []string{"1"}}, "a-token")
		if err != nil {
			t.Fatal(err)
		}
		changes, err := source.Decode(cb)
		if err != nil || account != "" && changes[0].Account != account {
			t.Errorf("an event of %q is of %+v, %v", account, changes, err)
		}
	}
}

// A text about an org names its own variables, however often it is rewritten, and whatever word the org's name begins with.
func TestTextsNameTheVariablesOfTheOrg(t *testing.T) {
	_, all, err := load(t, map[string]string{"BRIDGE_ZOHO_ACCOUNTS": "dc-2,account_of_us"})
	if err != nil {
		t.Fatal(err)
	}
	const text = "BRIDGE_ZOHO_TOKENS_FILE, BRIDGE_ZOHO_ACCOUNTS, BRIDGE_ZOHO_ACCOUNTS_URL and BRIDGE_ZOHO_DC beside BRIDGE_PUBLIC_URL"
	for account, want := range map[string]string{
		"dc-2":          "BRIDGE_ZOHO_DC_2_TOKENS_FILE, BRIDGE_ZOHO_ACCOUNTS, BRIDGE_ZOHO_DC_2_ACCOUNTS_URL and BRIDGE_ZOHO_DC_2_DC beside BRIDGE_PUBLIC_URL",
		"account_of_us": "BRIDGE_ZOHO_ACCOUNT_OF_US_TOKENS_FILE, BRIDGE_ZOHO_ACCOUNTS, BRIDGE_ZOHO_ACCOUNT_OF_US_ACCOUNTS_URL and BRIDGE_ZOHO_ACCOUNT_OF_US_DC beside BRIDGE_PUBLIC_URL",
	} {
		crm, _ := all.SourceOf("zoho-webhooks", account)
		if got := crm.Rename(crm.Rename(text)); got != want {
			t.Errorf("%s: %s", account, got)
		}
	}
}

// config lists the variables of each org under its own heading, and masks its secrets.
func TestConfigListsOrgs(t *testing.T) {
	env, _, err := load(t, twoOrgs)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := printConfig(&out, env.All(bridge.Known().Providers()), false); err != nil {
		t.Fatal(err)
	}
	text := out.String()
	if strings.Contains(text, planted) {
		t.Error("a secret is shown")
	}
	_, further, found := strings.Cut(text, "\nzoho emea ")
	if !found || !strings.Contains(further, "BRIDGE_ZOHO_EMEA_TOKENS ") || strings.Contains(further, "BRIDGE_ZOHO_TOKENS ") {
		t.Errorf("no part of the org alone:\n%s", text)
	}
	for line := range strings.Lines(further) {
		if words := strings.Fields(line); len(words) > 2 && words[0] == "BRIDGE_ZOHO_EMEA_ACCOUNT" && (words[1] != "emea" || words[2] != "default") {
			t.Errorf("its account: %s", line)
		}
	}
	if _, isSet := os.LookupEnv("BRIDGE_ZOHO_EMEA_ACCOUNT"); isSet {
		t.Error("reading the environment has changed it")
	}
}

// Whatever a CRM says of its configuration, of a further org it names that org's variables.
func TestOrgsAreExplained(t *testing.T) {
	_, all, err := load(t, twoOrgs)
	if err != nil {
		t.Fatal(err)
	}
	crm, source := all.SourceOf("zoho-notifications", "emea")
	if variable, file, _ := crm.Proof(source); variable != "BRIDGE_ZOHO_EMEA_TOKENS" || file != "" {
		t.Errorf("samples are authenticated with %s, %s", variable, file)
	}
	if want := []string{"BRIDGE_ZOHO_EMEA_CLIENT_ID", "BRIDGE_ZOHO_EMEA_CLIENT_SECRET", "BRIDGE_ZOHO_EMEA_REFRESH_TOKEN"}; !slices.Equal(crm.Words.Credentials, want) {
		t.Errorf("credentials are %q", crm.Words.Credentials)
	}
	var out, errs bytes.Buffer
	for name, value := range map[string]string{"BRIDGE_ZOHO_EMEA_CLIENT_ID": "1000.CLIENT", "BRIDGE_ZOHO_EMEA_EVENTS": "Deals.all"} {
		t.Setenv(name, value)
	}
	if code := run(t.Context(), []string{"config", "check", "--offline"}, &out, &errs); code != 1 ||
		!strings.Contains(out.String(), "BRIDGE_ZOHO_EMEA_CLIENT_SECRET and BRIDGE_ZOHO_EMEA_REFRESH_TOKEN must be set beside BRIDGE_ZOHO_EMEA_CLIENT_ID") ||
		strings.Contains(out.String(), "BRIDGE_ZOHO_CLIENT_ID") {
		t.Errorf("config check ended with %d: %s%s", code, out.String(), errs.String())
	}
}

// What authenticates callbacks is compared between orgs: every variable that a sample is authenticated with is marked so.
func TestProofsAreUnshared(t *testing.T) {
	for _, crm := range bridge.Known() {
		for _, source := range crm.Sources {
			variable, _, ok := crm.Proof(source)
			if !ok {
				continue
			}
			name := strings.TrimPrefix(variable, "BRIDGE_"+strings.ToUpper(crm.Provider)+"_")
			list := "BRIDGE_" + strings.ToUpper(crm.Provider) + "_ACCOUNTS"
			own := strings.TrimSuffix(variable, name) + "ORGTWO_" + name
			env, _, _ := load(t, map[string]string{list: "orgtwo", variable: "1:" + planted, own: "1:" + planted})
			if !slices.ContainsFunc(env.Problems, func(one error) bool {
				return strings.Contains(one.Error(), variable+" and "+own+" hold the same value")
			}) {
				t.Errorf("%s may be the same in two orgs: tag its field with unshared (%v)", variable, env.Problems.Err())
			}
		}
	}
}

// A command for an org that there is not names those that there are.
func TestSendNamesTheOrgs(t *testing.T) {
	for accounts, want := range map[string]string{"emea,us": `zoho has no org "eu"; it has default, emea, us`, "": `zoho has no org "eu"; it has default`} {
		clean(t)
		t.Setenv("BRIDGE_ZOHO_ACCOUNTS", accounts)
		var out, errs bytes.Buffer
		if code := run(t.Context(), []string{"send", "--account", "eu"}, &out, &errs); code != 2 || !strings.Contains(errs.String(), want) {
			t.Errorf("with %q: exit %d: %s", accounts, code, errs.String())
		}
	}
}
