package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest/zoho/zohotest"
)

// zohoOrg is a Zoho CRM with its own server and secrets, as an org of a bridge.
type zohoOrg struct {
	*zohotest.CRM
	account string
	secrets []string
	env     []string
}

// openOrg starts a Zoho CRM whose variables begin with prefix.
func openOrg(t *testing.T, prefix, account string) *zohoOrg {
	t.Helper()
	o := &zohoOrg{account: account, secrets: []string{
		"oauth-secret-of-" + account, "1000.refresh-token.of-" + account, "token-secret-of-" + account, "webhook-secret-of-" + account,
	}}
	o.CRM = &zohotest.CRM{ClientID: "1000.CLIENT", ClientSecret: o.secrets[0], RefreshToken: o.secrets[1], Callbacks: http.DefaultTransport}
	api := httptest.NewServer(o)
	t.Cleanup(api.Close)
	for name, value := range map[string]string{
		"EVENTS": "Deals.all", "CLIENT_ID": "1000.CLIENT", "CLIENT_SECRET": o.secrets[0], "REFRESH_TOKEN": o.secrets[1], "TOKEN_SECRET": o.secrets[2],
		"WEBHOOK_SECRET": o.secrets[3], "ACCOUNTS_URL": api.URL, "API_URL": api.URL,
	} {
		o.env = append(o.env, prefix+name+"="+value)
	}
	return o
}

// orgs are a bridge of two orgs of Zoho.
type orgs struct {
	*bridge
	of      []*zohoOrg // the first org, and emea
	dir     string
	env     []string
	secrets []string
}

func openOrgs(t *testing.T) *orgs {
	t.Helper()
	o := &orgs{dir: t.TempDir(), of: []*zohoOrg{openOrg(t, "BRIDGE_ZOHO_", "default"), openOrg(t, "BRIDGE_ZOHO_EMEA_", "emea")}}
	port := freePort(t)
	o.env = []string{"BRIDGE_LISTEN=127.0.0.1:" + port, "BRIDGE_PUBLIC_URL=http://127.0.0.1:" + port, "BRIDGE_ZOHO_ACCOUNTS=emea"}
	for _, org := range o.of {
		o.env, o.secrets = append(o.env, org.env...), append(o.secrets, org.secrets...)
	}
	o.restart(t)
	return o
}

// restart starts the bridge, with more variables than before.
func (o *orgs) restart(t *testing.T, more ...string) {
	t.Helper()
	if o.bridge != nil {
		if err := o.stop(t, syscall.SIGTERM); err != nil {
			t.Fatal(err)
		}
	}
	o.env = append(o.env, more...)
	o.bridge = start(t, o.dir, o.env...)
	waitFor(t, func() bool { return len(o.of[0].Live()) == 1 && len(o.of[1].Live()) == 1 })
}

// run runs a command, and fails where it shows a secret of an org.
func (o *orgs) run(t *testing.T, args ...string) (string, int) {
	t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Env = append(append(environment(o.dir), o.env...), "BRIDGE_ADMIN_LISTEN="+strings.TrimPrefix(o.Admin, "http://"), "BRIDGE_NATS_LISTEN="+strings.TrimPrefix(o.NATS, "nats://"))
	var complaints strings.Builder
	cmd.Stderr = &complaints
	out, err := cmd.Output()
	if err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	o.findSecrets(t, strings.Join(args, " "), string(out)+complaints.String())
	t.Log(args, cmd.ProcessState.ExitCode(), string(out), complaints.String())
	return string(out), cmd.ProcessState.ExitCode()
}

func (o *orgs) findSecrets(t *testing.T, where, text string) {
	t.Helper()
	secrets := slices.Clone(o.secrets)
	for _, org := range o.of {
		secrets = append(secrets, org.AccessTokens()...)
	}
	for _, secret := range secrets {
		if strings.Contains(text, secret) {
			t.Errorf("%s shows %s", where, secret)
		}
	}
}

// events returns the records of the events of an account, by origin, as replay reads them.
func (o *orgs) events(t *testing.T, args ...string) []string {
	t.Helper()
	out, code := o.run(t, append([]string{"replay", "--to", "stdout"}, args...)...)
	if code != 0 {
		t.Fatal("replay failed")
	}
	var all []string
	for line := range strings.Lines(out) {
		var one struct {
			Event struct{ CRMAccount, CRMOrigin, Subject string }
		}
		if err := json.Unmarshal([]byte(line), &one); err != nil {
			t.Fatal(err)
		}
		all = append(all, one.Event.CRMAccount+" "+one.Event.CRMOrigin+" "+one.Event.Subject)
	}
	return all
}

// Two orgs of one CRM work side by side: each keeps its own channel, callbacks come to one route and become events of their own org, and
// the commands see each org apart. No secret of either is shown anywhere.
func TestOrgs(t *testing.T) {
	t.Parallel()
	o := openOrgs(t)
	records := map[string]string{}
	for _, org := range o.of {
		id, err := org.Create("Deals", map[string]any{"Deal_Name": "a deal of " + org.account, "Description": strings.Join(o.secrets, " ")})
		if err != nil {
			t.Fatal(err)
		}
		records[org.account] = id
	}
	waitFor(t, func() bool { return len(ids(t, o.NATS)) == 2 })
	for _, org := range o.of {
		if got, want := o.events(t, "--account", org.account), []string{org.account + " live " + records[org.account]}; !slices.Equal(got, want) {
			t.Errorf("events of %s: %q, want %q", org.account, got, want)
		}
	}
	if out, code := o.run(t, "tail", "--account", "emea", "--since", "1h", "--count", "1"); code != 0 || !strings.Contains(out, `"crmaccount":"emea"`) {
		t.Errorf("tail ended with %d: %s", code, out)
	}
	o.channels(t)
	o.backfill(t)

	if out, code := o.run(t, "send", "zoho-notifications", "--account", "emea", "--module", "Contacts", "--id", "77"); code != 0 || !strings.Contains(out, `"status":200`) {
		t.Errorf("send ended with %d: %s", code, out)
	}
	if got := o.events(t, "--record", "77"); !slices.Equal(got, []string{"emea live 77"}) {
		t.Errorf("sent as emea: %q", got)
	}
	if _, code := o.run(t, "send", "--account", "apac"); code != 2 {
		t.Errorf("send of an org that there is not ended with %d", code)
	}
	_, metrics := get(t, o.Admin+"/metrics")
	for _, line := range []string{
		`crm_bridge_channel_expiry_timestamp_seconds{account="default",channel="`, `crm_bridge_channel_expiry_timestamp_seconds{account="emea",channel="`,
	} {
		if !strings.Contains(metrics, line) {
			t.Errorf("no metric %s", line)
		}
	}
	if err := o.stop(t, syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	o.findSecrets(t, "the log", o.Log())
	o.findSecrets(t, "the metrics", metrics)
}

// channels looks at the channels of each org, and changes those of one.
func (o *orgs) channels(t *testing.T) {
	t.Helper()
	waitFor(t, func() bool {
		out, code := o.run(t, "channels")
		return code == 0 && strings.Count(out, `"state":"active"`) == 2
	})
	if out, code := o.run(t, "channels", "--account", "emea"); code != 0 || strings.Count(out, "\n") != 1 || !strings.Contains(out, `"account":"emea"`) {
		t.Errorf("channels of emea ended with %d: %s", code, out)
	}
	if out, code := o.run(t, "channels", "disable", "zoho", "Deals", "--account", "emea"); code != 0 || len(o.of[0].Live()) != 1 || len(o.of[1].Live()) != 0 {
		t.Errorf("disable of emea ended with %d: %s", code, out)
	}
	if out, code := o.run(t, "channels", "enable", "zoho"); code != 0 || len(o.of[0].Live()) != 1 || len(o.of[1].Live()) != 1 {
		t.Errorf("enable of both ended with %d: %s", code, out)
	}
	if _, code := o.run(t, "channels", "renew", "zoho", "--account", "apac"); code != 1 {
		t.Errorf("renew of an org that there is not ended with %d", code)
	}
}

// backfill reads one org, then all of them: what was read of one is not read again.
func (o *orgs) backfill(t *testing.T) {
	t.Helper()
	second := time.Now().Truncate(time.Second)
	waitFor(t, func() bool { return time.Now().Truncate(time.Second).After(second) })
	count := func(account string) int { return len(o.events(t, "--origin", "backfill", "--account", account)) }
	if out, code := o.run(t, "backfill", "zoho", "--account", "emea", "--module", "Deals", "--since", "1h"); code != 0 || !strings.Contains(out, `"records":1,"events":1`) {
		t.Errorf("the backfill of emea ended with %d: %s", code, out)
	}
	if count("emea") != 1 || count("default") != 0 {
		t.Errorf("backfilled %d of emea and %d of the first org", count("emea"), count("default"))
	}
	if out, code := o.run(t, "backfill", "zoho", "--module", "Deals", "--since", "1h"); code != 0 || !strings.Contains(out, `"records":1,"events":1`) {
		t.Errorf("the backfill of both ended with %d: %s", code, out)
	}
	if count("emea") != 1 || count("default") != 1 {
		t.Errorf("backfilled %d of emea and %d of the first org", count("emea"), count("default"))
	}
	if _, code := o.run(t, "backfill", "zoho", "--account", "apac", "--module", "Deals", "--since", "1h"); code != 2 {
		t.Errorf("a backfill of an org that there is not ended with %d", code)
	}
}

// A callback in quarantine stays that of its org: it is listed by its account, and redriven with what that org's variables say.
func TestQuarantineOfOrgs(t *testing.T) {
	t.Parallel()
	o := openOrgs(t)
	for _, org := range o.of {
		form := url.Values{"id": {"${Deals.Id}"}, "deal": {"7"}, "note": {strings.Join(o.secrets, " ")}, "secret": {org.secrets[3]}}
		response, err := client.PostForm(o.Callbacks+"/zoho/webhooks/Deals/won", form)
		if err != nil {
			t.Fatal(err)
		}
		if _ = response.Body.Close(); response.StatusCode != http.StatusBadRequest {
			t.Fatal(response.Status)
		}
	}
	for account, want := range map[string]int{"emea": 1, "default": 1, "apac": 0} {
		if out, code := o.run(t, "quarantine", "list", "--account", account); code != 0 || strings.Count(out, `"account":"`+account+`"`) != want || strings.Count(out, "\n") != want {
			t.Errorf("quarantine of %s ended with %d: %s", account, code, out)
		}
	}
	o.restart(t, "BRIDGE_ZOHO_EMEA_WEBHOOK_ID_PARAMS=deal")
	if out, code := o.run(t, "quarantine", "redrive", "--all"); code != 1 || strings.Count(out, `"error"`) != 1 || strings.Count(out, `"events"`) != 1 {
		t.Errorf("redrive ended with %d: %s", code, out)
	}
	if got := o.events(t, "--record", "7"); !slices.Equal(got, []string{"emea live 7"}) {
		t.Errorf("redriven: %q", got)
	}
	if out, code := o.run(t, "quarantine", "drop", "--all", "--account", "emea"); code != 0 || strings.Contains(out, "id") {
		t.Errorf("drop of emea ended with %d: %s", code, out)
	}
	if out, _ := o.run(t, "quarantine", "list"); strings.Count(out, `"account":"default"`) != 1 {
		t.Errorf("quarantine: %s", out)
	}
	o.findSecrets(t, "the log", o.Log())
}

// An org for which nothing is set gets secrets of its own in the data folder, and keeps its state apart from the first org's.
func TestOrgWithMadeSecrets(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := start(t, dir, "BRIDGE_ZOHO_ACCOUNTS=Emea-1")
	for _, name := range []string{"zoho-token-secret", "zoho-webhook-secret"} {
		first, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		own, err := os.ReadFile(filepath.Join(dir, name+"-emea_1"))
		if err != nil || string(own) == string(first) {
			t.Errorf("the org's %s: %v", name, err)
		}
	}
	cmd := exec.Command(program, "send", "zoho-webhooks", "--account", "Emea-1", "--url", b.Callbacks)
	cmd.Env = append(environment(dir), "BRIDGE_ZOHO_ACCOUNTS=Emea-1")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Errorf("%v: %s", err, out)
	}
}

// Two orgs that could be confused stop the start, and the error names their variables and no value.
func TestConfusedOrgs(t *testing.T) {
	t.Parallel()
	const secret = "a-token-of-two-orgs"
	for _, variables := range [][2]string{
		{"BRIDGE_ZOHO_TOKENS=1:" + secret, "BRIDGE_ZOHO_EMEA_TOKENS=1:" + secret},
		{"BRIDGE_ZOHO_TOKEN_SECRET=" + secret, "BRIDGE_ZOHO_EMEA_TOKEN_SECRET=" + secret},
		{"BRIDGE_ZOHO_WEBHOOK_SECRET=other," + secret, "BRIDGE_ZOHO_EMEA_WEBHOOK_SECRET=" + secret},
	} {
		cmd := exec.Command(program)
		cmd.Env = append(environment(t.TempDir()), "BRIDGE_ZOHO_ACCOUNTS=emea", variables[0], variables[1])
		out, _ := cmd.CombinedOutput()
		first, _, _ := strings.Cut(variables[0], "=")
		further, _, _ := strings.Cut(variables[1], "=")
		if want := fmt.Sprintf("%s and %s hold the same value", first, further); cmd.ProcessState.ExitCode() != 1 || !strings.Contains(string(out), want) || strings.Contains(string(out), secret) {
			t.Errorf("ended with %d: %s", cmd.ProcessState.ExitCode(), out)
		}
	}
}
