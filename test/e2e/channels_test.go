package e2e

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/crm-bridge/crm-bridge/ingest/zoho/zohotest"
	"github.com/crm-bridge/crm-bridge/test/ports"
)

// freePort returns a port that nothing listens on, before the bridge does or while it is away.
func freePort(t *testing.T) string {
	t.Helper()
	port, err := ports.Free()
	if err != nil {
		t.Fatal(err)
	}
	return strconv.Itoa(port)
}

// With an OAuth client the bridge subscribes by itself, and what changes in the CRM arrives; what changed before is
// backfilled once, however often it is asked for; and no secret of the client gets out.
func TestChannelsAndBackfill(t *testing.T) {
	const clientSecret, refreshToken = "the-secret-of-the-oauth-client", "1000.the-refresh-token.of-this-test"
	crm := &zohotest.CRM{ClientID: "1000.CLIENT", ClientSecret: clientSecret, RefreshToken: refreshToken, Callbacks: http.DefaultTransport}
	api := httptest.NewServer(crm)
	t.Cleanup(api.Close)
	const before = 450
	for i := range before {
		if _, err := crm.Create("Deals", map[string]any{"Deal_Name": fmt.Sprint("deal ", i)}); err != nil {
			t.Fatal(err)
		}
	}
	dir, port := t.TempDir(), freePort(t)
	env := []string{
		"BRIDGE_LISTEN=127.0.0.1:" + port, "BRIDGE_PUBLIC_URL=http://127.0.0.1:" + port, "BRIDGE_ZOHO_EVENTS=Deals.all,Contacts.create",
		"BRIDGE_ZOHO_CLIENT_ID=1000.CLIENT", "BRIDGE_ZOHO_CLIENT_SECRET=" + clientSecret, "BRIDGE_ZOHO_REFRESH_TOKEN=" + refreshToken,
		"BRIDGE_ZOHO_ACCOUNTS_URL=" + api.URL, "BRIDGE_ZOHO_API_URL=" + api.URL,
	}
	b := start(t, dir, env...)
	run := func(args ...string) (string, int) {
		t.Helper()
		cmd := exec.Command(program, args...)
		cmd.Env = append(append(environment(dir), env...), "BRIDGE_ADMIN_LISTEN="+strings.TrimPrefix(b.Admin, "http://"), "BRIDGE_NATS_LISTEN="+strings.TrimPrefix(b.NATS, "nats://"))
		var complaints strings.Builder
		cmd.Stderr = &complaints
		out, err := cmd.Output()
		if err != nil && cmd.ProcessState == nil {
			t.Fatal(err)
		}
		if text := string(out) + complaints.String(); strings.Contains(text, clientSecret) || strings.Contains(text, refreshToken) {
			t.Errorf("%v shows a secret: %s", args, text)
		}
		t.Log(args, string(out), complaints.String())
		return string(out), cmd.ProcessState.ExitCode()
	}

	waitFor(t, func() bool { return len(crm.Live()) == 2 })
	if _, err := crm.Create("Deals", map[string]any{"Deal_Name": "live"}); err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool { return len(ids(t, b.NATS)) == 1 })
	waitFor(t, func() bool {
		out, code := run("channels")
		return code == 0 && strings.Count(out, `"state":"active"`) == 2 && strings.Contains(out, `"lastCallback"`)
	})
	if out, code := run("channels", "renew", "zoho", "Deals"); code != 0 || !strings.Contains(out, `"modules":["Deals"]`) {
		t.Errorf("renew ended with %d: %s", code, out)
	}
	if out, code := run("channels", "disable", "zoho", "Contacts"); code != 0 || len(crm.Live()) != 1 || !strings.Contains(out, `"state":"disabled"`) {
		t.Errorf("disable ended with %d: %s; alive are %v", code, out, crm.Live())
	}

	if out, code := run("backfill", "zoho", "--module", "Deals", "--since", "1h", "--dry-run"); code != 0 || !strings.Contains(out, fmt.Sprintf(`"events":%d`, before+1)) {
		t.Errorf("the dry run ended with %d: %s", code, out)
	}
	if got := len(ids(t, b.NATS)); got != 1 {
		t.Errorf("a dry run published %d", got-1)
	}
	if out, code := run("backfill", "zoho", "--module", "Deals", "--since", "1h"); code != 0 || !strings.Contains(out, fmt.Sprintf(`"events":%d`, before+1)) {
		t.Errorf("the backfill ended with %d: %s", code, out)
	}
	for range 2 {
		if out, code := run("backfill", "zoho", "--module", "Deals", "--since", "2h"); code != 0 || !strings.Contains(out, `"events":0`) {
			t.Errorf("a second backfill ended with %d: %s", code, out)
		}
	}
	if out, code := run("backfill", "zoho", "--module", "Deals", "--since", "2h", "--json"); code != 0 || !strings.Contains(out, `"alreadyRead":[{"since":"20`) {
		t.Errorf("a backfill of what was read ended with %d and does not say when it was: %s", code, out)
	}
	if out, code := run("backfill", "zoho", "--module", "Deals", "--since", "2h", "--again"); code != 0 || !strings.Contains(out, fmt.Sprintf(`"records":%d,"events":0,"duplicates":%d`, before+1, before+1)) {
		t.Errorf("a backfill with --again ended with %d: %s", code, out)
	}
	if got := len(ids(t, b.NATS)); got != before+2 {
		t.Errorf("the stream holds %d events, not %d", got, before+2)
	}
	if err := b.stop(t, syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	for _, secret := range append(crm.AccessTokens(), clientSecret, refreshToken) {
		if strings.Contains(b.Log(), secret) {
			t.Errorf("the log shows %s", secret)
		}
	}
	if made, err := os.ReadFile(dir + "/state-key"); err != nil || len(made) < 40 {
		t.Errorf("no key of the state was made: %v", err)
	}
}

// A CRM whose API is down does not make the bridge unready: it takes callbacks all the same, and the log warns.
func TestReadyWithoutTheCRM(t *testing.T) {
	t.Parallel()
	dead := "http://127.0.0.1:" + freePort(t)
	b := start(t, t.TempDir(), documentedToken, "BRIDGE_PUBLIC_URL=https://bridge.test", "BRIDGE_ZOHO_EVENTS=Deals.all", "BRIDGE_ZOHO_TOKEN_SECRET=a-long-secret-of-this-test",
		"BRIDGE_ZOHO_CLIENT_ID=client", "BRIDGE_ZOHO_CLIENT_SECRET=client-secret-of-this-test", "BRIDGE_ZOHO_REFRESH_TOKEN=refresh-token-of-this-test",
		"BRIDGE_ZOHO_ACCOUNTS_URL="+dead, "BRIDGE_ZOHO_API_URL="+dead)
	waitFor(t, func() bool { return strings.Contains(b.Log(), "keeping subscriptions, queues and gaps failed") })
	if status, text := get(t, b.Admin+"/readyz"); status != 200 {
		t.Errorf("/readyz says %d %s", status, text)
	}
	if a := post(t, b.Callbacks+path, documented); a.Status != 200 {
		t.Errorf("answered %d %s", a.Status, a.Text)
	}
	if strings.Contains(b.Log(), "secret-of-this-test") || strings.Contains(b.Log(), "token-of-this-test") {
		t.Error("the log shows a secret")
	}
}
