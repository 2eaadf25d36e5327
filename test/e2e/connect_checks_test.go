package e2e

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"
)

// Without a public URL connect says that its URLs are an example's, and succeeds. Beside a running bridge it makes the secrets of an org that
// the bridge does not know yet, leaves the lock of the data folder alone, and says that the bridge must be restarted.
func TestConnectBesideTheBridge(t *testing.T) {
	t.Parallel()
	dir, listen := t.TempDir(), "127.0.0.1:"+freePort(t)
	printed, said, code := connect(t, dir, nil, "zoho")
	if url := printed.step(t, "zoho-webhooks", "URL to notify").value("URL to notify"); code != 0 || !printed.Placeholder || !strings.HasPrefix(url, "https://crm.example.com/") ||
		!strings.Contains(said, "BRIDGE_PUBLIC_URL is not set") {
		t.Errorf("exit %d: %s: %+v", code, said, printed)
	}
	b := start(t, dir, "BRIDGE_LISTEN="+listen)
	env := []string{"BRIDGE_PUBLIC_URL=http://" + listen, "BRIDGE_ZOHO_ACCOUNTS=emea"}
	if _, said, code = connect(t, dir, env, "zoho"); code != 0 || !strings.Contains(said, "--account names another: default, emea") {
		t.Errorf("the first org: exit %d: %s", code, said)
	}
	first, said, code := connect(t, dir, env, "zoho", "--account", "emea")
	if code != 1 || !strings.Contains(said, "with other secrets of zoho-notifications") {
		t.Errorf("an org that the bridge does not know: exit %d: %s", code, said)
	}
	if err := b.stop(t, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	start(t, dir, append(env, "BRIDGE_LISTEN="+listen)...)
	again, said, code := connect(t, dir, env, "zoho", "--account", "emea")
	if code != 0 || fmt.Sprint(first.step(t, "zoho-webhooks", "URL").Paste) != fmt.Sprint(again.step(t, "zoho-webhooks", "URL").Paste) {
		t.Errorf("after a restart: exit %d: %s", code, said)
	}
}

// What answers at the public URL is named if it is not this bridge.
func TestConnectChecksThePublicURL(t *testing.T) {
	t.Parallel()
	answers := func(status int, header, body string) string {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", header)
			w.WriteHeader(status)
			_, _ = io.WriteString(w, body)
		}))
		t.Cleanup(server.Close)
		return server.URL
	}
	for name, test := range map[string]struct{ url, says string }{
		"nothing":         {"http://127.0.0.1:" + freePort(t), "refuses the connection; start the bridge"},
		"a proxy":         {answers(502, "", "<html>"), "answers 502 Bad Gateway to a GET of its schemas: the path does not lead to a crm-bridge"},
		"a redirect":      {answers(301, "https://x.test/", ""), "it redirects"},
		"another program": {answers(200, "", "{}"), "another program answers there"},
		"another bridge":  {start(t, t.TempDir()).Callbacks, "it is another bridge"},
	} {
		if _, said, code := connect(t, t.TempDir(), []string{"BRIDGE_PUBLIC_URL=" + test.url}, "zoho"); code != 1 || !strings.Contains(said, test.says) {
			t.Errorf("%s: exit %d: %s", name, code, said)
		}
	}
}

// A wrong provider, account, module or event is wrong usage, and the message says what there is.
func TestConnectUsage(t *testing.T) {
	t.Parallel()
	for args, says := range map[string]string{
		"":                        "takes a provider; there are bitrix24, hubspot, pipedrive and zoho",
		"salesforce":              "there are bitrix24, hubspot, pipedrive and zoho",
		"zoho --account us":       "has no org \"us\"",
		"zoho --module a/b":       "module must be",
		"zoho --event a/b":        "operation must be",
		"pipedrive --module Deal": "unknown module",
		"hubspot --event won":     "operation must be create, edit, delete or all",
		"bitrix24 --module Pony":  "unknown module",
		"zoho --timeout 0s":       "--timeout",
	} {
		if _, said, code := connect(t, t.TempDir(), nil, strings.Fields(args)...); code != 2 || !strings.Contains(said, says) || strings.Count(said, "\n") != 1 {
			t.Errorf("connect %s: exit %d: %s", args, code, said)
		}
	}
	if printed, said, code := connect(t, t.TempDir(), nil, "zoho", "--event", "won"); code != 0 || len(printed.Instructions) != 1 || !strings.HasSuffix(printed.Instructions[0].value("URL"), "/zoho/webhooks/Deals/won") {
		t.Errorf("a word that only a workflow can report: exit %d: %s: %+v", code, said, printed)
	}
}
