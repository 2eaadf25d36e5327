package test

import (
	"encoding/json"
	"errors"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
)

// problems are what "crm-bridge config check --offline" finds in an environment, and in nothing but it.
func problems(t *testing.T, env []string) (found []string) {
	t.Helper()
	command := exec.Command(program, "config", "check", "--offline", "--json")
	command.Env, command.Dir = env, t.TempDir()
	out, err := command.Output()
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(out)) {
		var one struct {
			OK      bool
			Problem string
		}
		if err := json.Unmarshal([]byte(line), &one); err != nil {
			t.Fatal(err)
		}
		if !one.OK {
			found = append(found, one.Problem)
		}
	}
	if (len(found) > 0) != (err != nil) || len(out) == 0 {
		t.Fatalf("%d problems, and it ends with %v", len(found), err)
	}
	return found
}

// crms are the CRMs that the program knows: the folders that hold a source.
func crms(t *testing.T) (names []string) {
	t.Helper()
	paths, err := filepath.Glob("../../../ingest/*/*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		if strings.Contains(read(t, path), ") Decode(cb ingest.Callback)") && !strings.HasSuffix(path, "_test.go") {
			names = append(names, filepath.Base(filepath.Dir(path)))
		}
	}
	slices.Sort(names)
	if names = slices.Compact(names); len(names) < 2 {
		t.Fatalf("only the CRMs %q were found", names)
	}
	return names
}

// ofCRM reports whether a variable is one of a CRM.
func ofCRM(t *testing.T, variable string) bool {
	t.Helper()
	return slices.ContainsFunc(crms(t), func(crm string) bool { return strings.HasPrefix(variable, "BRIDGE_"+strings.ToUpper(crm)+"_") })
}

// The chart knows no CRM, so the program says what is wrong with the variables of one: a name, a value, what belongs together.
func TestProgramRefusesWhatTheChartCannotJudge(t *testing.T) {
	const client = "secrets: { BRIDGE_ZOHO_TOKEN_SECRET: { value: a-secret-of-all-channels }, BRIDGE_ZOHO_CLIENT_SECRET: { value: s }, BRIDGE_ZOHO_REFRESH_TOKEN: { value: r } }\n"
	for name, c := range map[string]struct {
		values string
		says   []string // each problem, in order
	}{
		"all is right":                  {valid + "settings: { BRIDGE_ZOHO_DC: eu }", nil},
		"a misspelt setting":            {valid + "settings: { BRIDGE_ZOHO_DCC: eu }", []string{"BRIDGE_ZOHO_DCC is not a variable of crm-bridge; the nearest is BRIDGE_ZOHO_DC "}},
		"a misspelt secret":             {embedded + "secrets: { BRIDGE_ZOHO_TOKENZ: { value: '1:a-token' } }", []string{"BRIDGE_ZOHO_TOKENZ_FILE is not a variable"}},
		"a CRM that there is not":       {valid + "settings: { BRIDGE_ZOHI_DC: eu }", []string{"BRIDGE_ZOHI_DC is not a variable"}},
		"a wrong value":                 {valid + "settings: { BRIDGE_ZOHO_DC: mars }", []string{"BRIDGE_ZOHO_DC must be one of"}},
		"a wrong value in a list":       {valid + "settings: { BRIDGE_BITRIX24_EVENTS: [Deal.all, nothing] }", []string{"BRIDGE_BITRIX24_EVENTS entry 2"}},
		"a wrong secret":                {embedded + "secrets: { BRIDGE_ZOHO_TOKENS: { value: no-channel } }", []string{"BRIDGE_ZOHO_TOKENS entry 1 is not of the form"}},
		"several at once":               {valid + "settings: { BRIDGE_ZOHO_DC: mars, BRIDGE_ZOHO_API_VERSION: v1, BRIDGE_NO_SUCH: x }", []string{"BRIDGE_ZOHO_DC must", "BRIDGE_ZOHO_API_VERSION must", "BRIDGE_NO_SUCH is not"}},
		"half a client":                 {valid + "stateKey: { value: k }\nsettings: { BRIDGE_ZOHO_CLIENT_ID: '1' }", []string{"BRIDGE_ZOHO_CLIENT_SECRET and BRIDGE_ZOHO_REFRESH_TOKEN must be set", "BRIDGE_ZOHO_TOKEN_SECRET must be set"}},
		"events without an address":     {embedded + client + "settings: { BRIDGE_ZOHO_CLIENT_ID: '1', BRIDGE_ZOHO_EVENTS: [Deals.all] }", []string{"BRIDGE_PUBLIC_URL must be set beside BRIDGE_ZOHO_EVENTS"}},
		"half an application":           {embedded + "settings: { BRIDGE_BITRIX24_CLIENT_ID: '1' }", []string{"BRIDGE_BITRIX24_CLIENT_ID and BRIDGE_BITRIX24_CLIENT_SECRET belong together", "BRIDGE_BITRIX24_PORTALS is empty"}},
		"an offline queue of nothing":   {embedded + "settings: { BRIDGE_BITRIX24_CLIENT_ID: '1', BRIDGE_BITRIX24_OFFLINE: true, BRIDGE_BITRIX24_PORTALS: [a] }\nsecrets: { BRIDGE_BITRIX24_CLIENT_SECRET: { value: s } }", []string{"BRIDGE_BITRIX24_OFFLINE is set, but"}},
		"an org":                        {embedded + "settings: { BRIDGE_ZOHO_ACCOUNTS: [emea, us-east], BRIDGE_ZOHO_US_EAST_DC: us }\nsecrets: { BRIDGE_ZOHO_TOKENS: { value: '1:a-token' }, BRIDGE_ZOHO_EMEA_TOKENS: { value: '1:another-token' } }", nil},
		"an org that is not named":      {embedded + "secrets: { BRIDGE_ZOHO_EMEA_TOKENS: { value: '1:a-token' } }", []string{"BRIDGE_ZOHO_EMEA_TOKENS_FILE is not a variable"}},
		"two orgs with one token":       {embedded + "settings: { BRIDGE_ZOHO_ACCOUNTS: emea }\nsecrets: { BRIDGE_ZOHO_TOKENS: { value: '1:a-token' }, BRIDGE_ZOHO_EMEA_TOKENS: { value: '1:a-token' } }", []string{"BRIDGE_ZOHO_TOKENS_FILE and BRIDGE_ZOHO_EMEA_TOKENS_FILE hold the same value"}},
		"a client without token secret": {valid + "stateKey: { value: k }\nsettings: { BRIDGE_ZOHO_CLIENT_ID: '1', BRIDGE_ZOHO_CLIENT_SECRET_FILE: SECRETS/zoho-tokens, BRIDGE_ZOHO_REFRESH_TOKEN_FILE: SECRETS/zoho-tokens }", []string{"BRIDGE_ZOHO_TOKEN_SECRET must be set"}},
	} {
		t.Run(name, func(t *testing.T) {
			list := render(t, strings.ReplaceAll(c.values, "SECRETS", secretFolder))
			spec := pods(t, list)["bridge"]
			got := problems(t, environment(spec.Containers[0], mounted(t, list, spec), t.TempDir()))
			if len(got) != len(c.says) {
				t.Fatalf("%d problems, not %d: %q", len(got), len(c.says), got)
			}
			for i, text := range c.says {
				if !strings.Contains(got[i], text) {
					t.Errorf("it says %q, not %q", got[i], text)
				}
			}
		})
	}
}

// What the chart takes from the names of variables holds for each CRM that the program knows: its callbacks come in below its
// name, and what calls its API has the credentials by which the network policy opens.
func TestNamesOfVariablesAreAsTheChartReadsThem(t *testing.T) {
	known := sortedKeys(settings(t, nil))
	for _, crm := range crms(t) {
		own := slices.DeleteFunc(slices.Clone(known), func(name string) bool { return !strings.HasPrefix(name, "BRIDGE_"+strings.ToUpper(crm)+"_") })
		if !strings.Contains(sources(t), `"/`+crm+`/`) || len(own) == 0 {
			t.Errorf("%s has no path /%s/, or no variable", crm, crm)
		}
		isURL := func(name string) bool { return strings.HasSuffix(name, "_URL") }
		if slices.ContainsFunc(own, isURL) && !slices.ContainsFunc(own, regexp.MustCompile(`_(CLIENT_ID|API_TOKEN|ACCESS_TOKEN)$`).MatchString) {
			t.Errorf("%s has an API, and no variable of credentials that the chart knows: %q", crm, own)
		}
	}
}

// helm test passes where no secret authenticates callbacks, such as the credentials of an API alone: its pod sends none, and says so.
// The program knows which secrets do: a client's secret signs the callbacks of one CRM, and is for the API alone at another.
func TestHelmTestWithoutASecretOfCallbacks(t *testing.T) {
	list := render(t, "nats: { url: 'nats://nats' }\nstateKey: { value: a-key-of-what-is-shared }\nsettings: { BRIDGE_BITRIX24_CLIENT_ID: local.1, BRIDGE_BITRIX24_PORTALS: a }\nsecrets: { BRIDGE_BITRIX24_CLIENT_SECRET: { value: s } }")
	tester := one[*core.Pod](t, list).Spec
	command := exec.Command(program, tester.Containers[0].Args...)
	command.Env, command.Dir = environment(tester.Containers[0], mounted(t, list, tester), t.TempDir()), t.TempDir()
	if out, err := command.CombinedOutput(); err != nil || !strings.Contains(string(out), `"sent":false`) {
		t.Errorf("%q ends with %v: %s", tester.Containers[0].Args, err, out)
	}
}

// Callbacks come in below the name of each CRM that has a variable, or where callbackPaths says.
func TestCallbacksComeInWhereTheCRMsPost(t *testing.T) {
	const ingress = embedded + "ingress: { enabled: true, hosts: [crm.example.com] }\n"
	for values, want := range map[string][]string{
		"secrets: { BRIDGE_ZOHO_TOKENS: { value: '1:a-token' }, BRIDGE_ZOHO_WEBHOOK_SECRET: { value: s } }":        {"/zoho/"},
		"secrets: { BRIDGE_ZOHO_EMEA_TOKENS: { value: '1:a-token' } }\nsettings: { BRIDGE_BITRIX24_PORTALS: [a] }": {"/bitrix24/", "/zoho/"},
		"callbackPaths: [/]": {"/"},
		"callbackPaths: [/zoho/webhooks/]\nsecrets: { BRIDGE_ZOHO_WEBHOOK_SECRET: { value: s } }": {"/zoho/webhooks/"},
	} {
		var got []string
		for _, path := range one[*networking.Ingress](t, render(t, ingress+values)).Spec.Rules[0].HTTP.Paths {
			if !slices.Contains([]string{"/asyncapi.html", "/asyncapi.yaml", "/schemas/"}, path.Path) {
				got = append(got, path.Path)
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%s\nlets in %q, not %q", values, got, want)
		}
	}
}
