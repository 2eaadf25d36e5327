package main

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/config"
	"github.com/crm-bridge/crm-bridge/ingest/zoho/zohotest"
	"github.com/crm-bridge/crm-bridge/publish"
	"github.com/crm-bridge/crm-bridge/publish/embedded"
)

// configCheck runs the command in an environment and returns what it finds.
func configCheck(t *testing.T, env map[string]string, args ...string) (found []finding, code int) {
	t.Helper()
	clean(t)
	for name, value := range env {
		t.Setenv(name, value)
	}
	var out, errs bytes.Buffer
	code = run(t.Context(), slices.Concat([]string{"config", "check"}, args), &out, &errs)
	if strings.Contains(out.String()+errs.String(), planted) {
		t.Errorf("a secret is shown: %s%s", out.String(), errs.String())
	}
	for line := range strings.Lines(out.String()) {
		var one finding
		if err := json.Unmarshal([]byte(line), &one); err != nil {
			t.Fatalf("%v: %s", err, line)
		}
		found = append(found, one)
	}
	return found, code
}

// Everything that is wrong is listed at once, each problem once: what cannot be read, what does not fit together, what has no
// effect, what is unknown, and what each CRM lacks. What only follows from a value that cannot be read is left out.
func TestConfigCheckListsAllProblems(t *testing.T) {
	got, code := configCheck(t, map[string]string{
		"BRIDGE_MAX_BODY": planted, "BRIDGE_RATE": planted, "BRIDGE_ZOHO_TOKENS": planted, // cannot be read
		"BRIDGE_ZOHO_REFRESH_TOKEN_FILE": "/nowhere/" + planted,
		"BRIDGE_LOG_FORMAT":              planted, "BRIDGE_LISTEN": planted, "BRIDGE_NATS_LISTEN_USER": "x", // do not fit
		"BRIDGE_NATS_PASSWORD": planted, "BRIDGE_DELIVERY": "direct", // no effect
		"BRIDGE_LISTENN": planted, "BRIDGE_ZOHO_TOKEN": planted, // unknown
		"BRIDGE_BITRIX24_OFFLINE": "true", "BRIDGE_BITRIX24_CLIENT_ID": "local.1", // incomplete
		"BRIDGE_ZOHO_CLIENT_ID": "1000.ABC", "BRIDGE_ZOHO_CLIENT_SECRET": planted, "BRIDGE_ZOHO_EVENTS": "Deals.all",
	}, "--offline")
	want := []string{
		"BRIDGE_MAX_BODY must be a size", "BRIDGE_RATE must be a number",
		"BRIDGE_LOG_FORMAT must be", "BRIDGE_NATS_LISTEN_USER and BRIDGE_NATS_LISTEN_PASSWORD must be set together", "BRIDGE_LISTEN must be an address",
		"BRIDGE_DELIVERY has no effect", "BRIDGE_NATS_PASSWORD has no effect",
		"BRIDGE_ZOHO_REFRESH_TOKEN_FILE cannot be read", "BRIDGE_ZOHO_TOKENS entry 1 is not of the form",
		"BRIDGE_LISTENN is not a variable", "BRIDGE_ZOHO_TOKEN is not a variable of crm-bridge; the nearest is BRIDGE_ZOHO_TOKENS",
		"BRIDGE_BITRIX24_CLIENT_ID and BRIDGE_BITRIX24_CLIENT_SECRET belong together", "BRIDGE_BITRIX24_PORTALS is empty",
		"BRIDGE_BITRIX24_OFFLINE is set, but BRIDGE_BITRIX24_EVENTS", "BRIDGE_PUBLIC_URL must be set beside BRIDGE_ZOHO_EVENTS",
	}
	for _, text := range want {
		if n := len(slices.DeleteFunc(slices.Clone(got), func(f finding) bool { return !strings.Contains(f.Problem, text) })); n != 1 {
			t.Errorf("%q is said %d times", text, n)
		}
	}
	if len(got) != len(want) || code != 1 || slices.ContainsFunc(got, func(f finding) bool { return f.OK || f.Check != "variables" }) {
		t.Errorf("exit %d, %d problems: %+v", code, len(got), got)
	}
}

// A command that needs the configuration says the first problem in one sentence, and how to see the others.
func TestOtherCommandsNameTheFirstProblem(t *testing.T) {
	clean(t)
	t.Setenv("BRIDGE_MAX_BODY", planted)
	t.Setenv("BRIDGE_EVENT_PER", planted)
	var out, errs bytes.Buffer
	code := run(t.Context(), []string{"config"}, &out, &errs)
	want := "crm-bridge: BRIDGE_MAX_BODY must be a size such as 512KiB, 1MiB or 10GiB (and 1 more: crm-bridge config check lists all)\n"
	if code != 1 || errs.String() != want {
		t.Errorf("exit %d: %s", code, errs.String())
	}
}

// A wrong value does not stay out of the environment, where the next command of the process looks for it.
func TestConfigCheckLeavesTheEnvironment(t *testing.T) {
	_, _ = configCheck(t, map[string]string{"BRIDGE_MAX_BODY": "fast"}, "--offline")
	if got := os.Getenv("BRIDGE_MAX_BODY"); got != "fast" {
		t.Errorf("BRIDGE_MAX_BODY is now %q", got)
	}
}

// What serve would refuse at its start, though each variable is right by itself, is found without looking at anything.
func TestConfigCheckFindsWhatServeRefuses(t *testing.T) {
	for text, env := range map[string]map[string]string{
		"BRIDGE_NATS_LISTEN: 0.0.0.0:4222 can be reached from other machines": {"BRIDGE_NATS_LISTEN": "0.0.0.0:4222"},
		"BRIDGE_NATS_LISTEN: the user crm-bridge is reserved":                 {"BRIDGE_NATS_LISTEN_USER": "crm-bridge", "BRIDGE_NATS_LISTEN_PASSWORD": planted},
		"BRIDGE_FIELDS_DROP names \"acme\", which is no CRM":                  {"BRIDGE_FIELDS_DROP": "acme.Deals.Phone"},
		"BRIDGE_LISTEN and BRIDGE_ADMIN_LISTEN are the same address":          {"BRIDGE_LISTEN": ":9090"},
		"BRIDGE_ADMIN_LISTEN and BRIDGE_NATS_LISTEN are the same address":     {"BRIDGE_NATS_LISTEN": "localhost:9090"},
	} {
		if got, code := configCheck(t, env, "--offline"); code != 1 || len(got) != 1 || !strings.HasPrefix(got[0].Problem, text) {
			t.Errorf("%s: exit %d, %+v", text, code, got)
		}
	}
}

// With --offline a valid configuration passes, whatever is unreachable; and before the first start on the embedded server, where
// a missing secret will be made.
func TestConfigCheckOffline(t *testing.T) {
	for name, env := range map[string]map[string]string{
		"nothing": nil,
		"a remote that is down": {
			"BRIDGE_NATS_URL": "nats://127.0.0.1:1", "BRIDGE_LISTEN_CERT": "/nowhere", "BRIDGE_LISTEN_KEY": "/nowhere",
			"BRIDGE_BITRIX24_CLIENT_ID": "local.1", "BRIDGE_BITRIX24_CLIENT_SECRET": planted, "BRIDGE_BITRIX24_PORTALS": "a", "BRIDGE_BITRIX24_OAUTH_URL": "http://127.0.0.1:1",
		},
		"a client before the first start": {"BRIDGE_ZOHO_CLIENT_ID": "1000.ABC", "BRIDGE_ZOHO_CLIENT_SECRET": planted, "BRIDGE_ZOHO_REFRESH_TOKEN": planted},
	} {
		if got, code := configCheck(t, env, "--offline"); code != 0 || len(got) != 1 || got[0] != (finding{Check: "variables", OK: true}) {
			t.Errorf("%s: exit %d, %+v", name, code, got)
		}
	}
}

// With --files the files that variables name are looked at, too, and still nothing is connected to: so a Job before an upgrade finds a
// missing certificate while NATS may be down.
func TestConfigCheckFiles(t *testing.T) {
	for name, test := range map[string]struct {
		env  map[string]string
		says []string // each problem of the check "files"
	}{
		"nothing":             {nil, nil},
		"a NATS that is down": {map[string]string{"BRIDGE_NATS_URL": "nats://127.0.0.1:1", "BRIDGE_ZOHO_TOKENS": "*:" + planted}, nil},
		"files that are missing": {map[string]string{
			"BRIDGE_NATS_URL": "nats://127.0.0.1:1", "BRIDGE_ZOHO_TOKENS": "*:" + planted, "BRIDGE_NATS_CREDS": "/nowhere/" + planted, "BRIDGE_NATS_CA": "/nowhere",
			"BRIDGE_LISTEN_CERT": "/nowhere", "BRIDGE_LISTEN_KEY": "/nowhere/" + planted,
		}, []string{"BRIDGE_LISTEN_CERT cannot be read: no such file", "BRIDGE_NATS_CREDS must be the path of a file", "BRIDGE_NATS_CA must be the path of a file"}},
	} {
		got, code := configCheck(t, test.env, "--offline", "--files")
		wrong := slices.DeleteFunc(slices.Clone(got), func(f finding) bool { return f.OK })
		if len(wrong) != len(test.says) || (code == 1) != (len(wrong) > 0) || len(got) != max(2, len(test.says)+1) {
			t.Fatalf("%s: exit %d, %+v", name, code, got)
		}
		for i, text := range test.says {
			if wrong[i].Check != "files" || !strings.HasPrefix(wrong[i].Problem, text) {
				t.Errorf("%s: %+v", name, wrong[i])
			}
		}
	}
	if _, code := configCheck(t, nil, "--files"); code != 2 {
		t.Errorf("--files alone ends with %d", code)
	}
}

// What is configured is connected to: each that is wrong is a line of its own, with what to fix.
func TestConfigCheckConnects(t *testing.T) {
	server, err := embedded.Open(t.Context(), embedded.Config{
		Dir: t.TempDir(), Listen: "127.0.0.1:0", OwnerPass: planted, MaxPayload: 1 << 20, Log: slog.New(slog.DiscardHandler),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	accounts := httptest.NewServer(&zohotest.CRM{ClientID: "1000.ABC", ClientSecret: planted, RefreshToken: "1000." + planted})
	t.Cleanup(accounts.Close)
	var mu sync.Mutex
	var asked []string
	oauth := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		asked = append(asked, r.Method+" "+r.URL.String())
		http.NotFound(w, r)
	}))
	t.Cleanup(oauth.Close)

	env := func(change map[string]string) map[string]string {
		all := map[string]string{
			"BRIDGE_LISTEN": "127.0.0.1:0", "BRIDGE_ADMIN_LISTEN": "127.0.0.1:0",
			"BRIDGE_NATS_URL": server.ClientURL(), "BRIDGE_NATS_USER": publish.Owner, "BRIDGE_NATS_PASSWORD": planted, "BRIDGE_STREAM": "NONE_YET",
			"BRIDGE_ZOHO_CLIENT_ID": "1000.ABC", "BRIDGE_ZOHO_CLIENT_SECRET": planted, "BRIDGE_ZOHO_REFRESH_TOKEN": "1000." + planted,
			"BRIDGE_ZOHO_ACCOUNTS_URL": accounts.URL, "BRIDGE_ZOHO_TOKEN_SECRET": planted,
			"BRIDGE_BITRIX24_CLIENT_ID": "local.1", "BRIDGE_BITRIX24_CLIENT_SECRET": planted, "BRIDGE_BITRIX24_PORTALS": "a", "BRIDGE_BITRIX24_OAUTH_URL": oauth.URL,
		}
		for name, value := range change {
			all[name] = value
		}
		return all
	}
	for name, test := range map[string]struct {
		change map[string]string
		check  string // the one that fails; empty: none
		says   string
	}{
		"all is right":                 {},
		"a wrong password":             {map[string]string{"BRIDGE_NATS_PASSWORD": planted + "2"}, "nats", "the server rejected BRIDGE_NATS_USER and BRIDGE_NATS_PASSWORD"},
		"a NATS that is down":          {map[string]string{"BRIDGE_NATS_URL": "nats://me:" + planted + "@127.0.0.1:1"}, "nats", "127.0.0.1:1 is unreachable"},
		"a revoked refresh token":      {map[string]string{"BRIDGE_ZOHO_REFRESH_TOKEN": planted + "2"}, "zoho", "the refresh token is wrong"},
		"a wrong client secret":        {map[string]string{"BRIDGE_ZOHO_CLIENT_SECRET": planted + "2"}, "zoho", "check the client secret"},
		"accounts that are down":       {map[string]string{"BRIDGE_ZOHO_ACCOUNTS_URL": "http://127.0.0.1:1"}, "zoho", "127.0.0.1:1 refuses the connection"},
		"an OAuth server that is down": {map[string]string{"BRIDGE_BITRIX24_OAUTH_URL": "http://127.0.0.1:1"}, "bitrix24", "127.0.0.1:1 refuses the connection"},
		"no certificate":               {map[string]string{"BRIDGE_LISTEN_CERT": "/nowhere", "BRIDGE_LISTEN_KEY": "/nowhere"}, "certificates", "BRIDGE_LISTEN_CERT cannot be read: no such file"},
	} {
		got, code := configCheck(t, env(test.change))
		for _, one := range got {
			if one.OK == (one.Check == test.check) || !strings.Contains(one.Problem, test.says) && !one.OK {
				t.Errorf("%s: %+v", name, one)
			}
		}
		if failed := code == 1; len(got) < 4 || failed != (test.check != "") {
			t.Errorf("%s: exit %d, %+v", name, code, got)
		}
	}
	for _, one := range asked { // a refresh token of Bitrix24 works once
		if one != "GET /" {
			t.Errorf("Bitrix24's OAuth server was asked %s", one)
		}
	}
	if len(asked) == 0 {
		t.Error("Bitrix24's OAuth server was not asked")
	}
}

// What cannot be right is not connected to; the rest is.
func TestConfigCheckSkipsWhatIsInvalid(t *testing.T) {
	got, code := configCheck(t, map[string]string{
		"BRIDGE_LISTEN": "127.0.0.1:0", "BRIDGE_ADMIN_LISTEN": "127.0.0.1:0",
		"BRIDGE_NATS_URL": "http://" + planted, "BRIDGE_BITRIX24_CLIENT_ID": "local.1", "BRIDGE_BITRIX24_CLIENT_SECRET": planted, "BRIDGE_BITRIX24_PORTALS": "a",
		"BRIDGE_BITRIX24_OAUTH_URL": "http://127.0.0.1:1",
	})
	got = slices.DeleteFunc(got, func(f finding) bool { return f.OK })
	if code != 1 || len(got) != 2 || got[0].Check != "variables" || got[1].Check != "bitrix24" {
		t.Errorf("exit %d, %+v", code, got)
	}
}

// On a terminal each finding is a line in words.
func TestFindingsInWords(t *testing.T) {
	clean(t)
	t.Setenv("BRIDGE_ZOHO_TOKENS_FILE", filepath.Join(t.TempDir(), planted))
	env := &config.Environment{}
	_, _ = loadAll(env)
	var out strings.Builder
	if err := printFindings(&out, append(findingsOf("variables", env.Problems), finding{Check: "nats", OK: true}), false); err != nil {
		t.Fatal(err)
	}
	if want := "variables  BRIDGE_ZOHO_TOKENS_FILE cannot be read: no such file or directory\nnats       ok\n"; out.String() != want {
		t.Errorf("it says %s", out.String())
	}
}
