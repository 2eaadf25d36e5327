//go:build linux

package e2e

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"strings"
	"testing"

	"github.com/crm-bridge/crm-bridge/ingest/zoho/zohotest"
)

// The states of a record are erased with its events, and none is written again from an event of before. On a terminal the command counts
// and asks first.
func TestEraseRecords(t *testing.T) {
	t.Parallel()
	crm := &zohotest.CRM{ClientID: "1000.CLIENT", ClientSecret: "the-secret-of-the-client", RefreshToken: "1000.the-refresh-token", Callbacks: http.DefaultTransport}
	api := httptest.NewServer(crm)
	t.Cleanup(api.Close)
	dir, port := t.TempDir(), freePort(t)
	b := start(t, dir, "BRIDGE_LISTEN=127.0.0.1:"+port, "BRIDGE_PUBLIC_URL=http://127.0.0.1:"+port, "BRIDGE_ZOHO_EVENTS=Deals.all", "BRIDGE_ZOHO_RECORDS=Deals",
		"BRIDGE_ZOHO_TOKEN_SECRET=the-token-secret-of-this-test", "BRIDGE_ZOHO_CLIENT_ID=1000.CLIENT", "BRIDGE_ZOHO_CLIENT_SECRET=the-secret-of-the-client",
		"BRIDGE_ZOHO_REFRESH_TOKEN=1000.the-refresh-token", "BRIDGE_ZOHO_ACCOUNTS_URL="+api.URL, "BRIDGE_ZOHO_API_URL="+api.URL)
	js := service(t, b.NATS)
	waitFor(t, func() bool { // else the keeper of records begins behind the first events
		_, err := js.Consumer(t.Context(), "CRM", "crm-bridge-records-zoho")
		return err == nil && len(crm.Live()) == 1
	})
	ids := map[string]string{}
	for _, name := range []string{"victim-text", "bystander-text"} {
		id, err := crm.Create("Deals", map[string]any{"Deal_Name": name})
		if err != nil {
			t.Fatal(err)
		}
		ids[name] = id
	}
	states := func(id string) (n int) {
		for message := range contents(t, b.NATS) {
			if strings.HasPrefix(message, "CRM_RECORDS ") && strings.HasSuffix(message, "."+id) {
				n++
			}
		}
		return n
	}
	waitFor(t, func() bool { return states(ids["victim-text"]) == 1 && states(ids["bystander-text"]) == 1 })
	if err := crm.Update("Deals", ids["victim-text"], map[string]any{"Deal_Name": "victim-text again"}); err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool { return strings.Contains(fmt.Sprint(contents(t, b.NATS)), `"before":{`) })

	ask := func(answer string) (string, int) {
		ours, theirs := openTerminal(t, 120)
		cmd := exec.Command(program, "erase", "zoho", "Deals", ids["victim-text"])
		cmd.Env = append(environment(dir), "BRIDGE_ADMIN_LISTEN="+strings.TrimPrefix(b.Admin, "http://"))
		cmd.Stdin, cmd.Stdout, cmd.Stderr = theirs, theirs, theirs
		shown := make(chan string)
		go func() {
			var all bytes.Buffer
			_, _ = all.ReadFrom(ours)
			shown <- all.String()
		}()
		if _, err := ours.WriteString(answer + "\n"); err != nil {
			t.Fatal(err)
		}
		err := cmd.Run()
		_ = theirs.Close()
		if err != nil && cmd.ProcessState == nil {
			t.Fatal(err)
		}
		return <-shown, cmd.ProcessState.ExitCode()
	}
	if out, code := ask("n"); code != 1 || !strings.Contains(out, "nothing was erased") || !strings.Contains(out, "CRM_RECORDS") || states(ids["victim-text"]) != 1 {
		t.Errorf("after a no it ended with %d: %s", code, out)
	}
	if out, code := ask("y"); code != 0 || !strings.Contains(out, "permanently? [y/N]") {
		t.Errorf("after a yes it ended with %d: %s", code, out)
	}
	if states(ids["victim-text"]) != 0 || states(ids["bystander-text"]) != 1 {
		t.Error("a state is left, or another one is gone")
	}
	for _, text := range []string{"victim-text", ids["victim-text"]} {
		if found := traces(t, text, dir); len(found) > 0 {
			t.Errorf("%s is still in %q", text, found)
		}
	}
}
