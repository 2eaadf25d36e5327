package e2e

import (
	"io"
	"net/http"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// Below a public URL with a path, every callback that a CRM sends to what connect printed is accepted, whether the proxy keeps the path or
// removes it: tokens, proofs, passwords and HubSpot's signature of the URL. So are those of send and check. The schema that an event names is
// found at its URL. Nothing else is served below the path.
func TestPublicURLWithAPath(t *testing.T) {
	t.Parallel()
	dir, listen := t.TempDir(), "127.0.0.1:"+freePort(t)
	public := "http://" + listen + "/crm"
	env := []string{"BRIDGE_LISTEN=" + listen, "BRIDGE_PUBLIC_URL=https://old.example.com/hooks," + public + "/"}
	printed := map[string]connection{}
	for provider, module := range map[string]string{"zoho": "Deals", "bitrix24": "Deal", "pipedrive": "deal", "hubspot": "deal"} {
		first := []string{env[0], "BRIDGE_PUBLIC_URL=" + public + "/"}
		printed[provider], _, _ = connect(t, dir, first, provider, "--module", module, "--event", "edit")
	}
	requests, set := pasted(t, printed)
	env = append(env, set...)
	b := start(t, dir, env...)
	for proxy, transport := range map[string]http.RoundTripper{"keeps the path": http.DefaultTransport, "removes the path": removes("/crm")} {
		for name, request := range requests {
			if !strings.HasPrefix(request.URL.String(), public+"/") {
				t.Fatalf("connect printed %s for %s", request.URL, name)
			}
			again := request.Clone(t.Context())
			again.Body, _ = request.GetBody()
			response, err := (&http.Client{Transport: transport}).Do(again)
			if err != nil {
				t.Fatal(err)
			}
			if _ = response.Body.Close(); response.StatusCode != http.StatusOK {
				t.Errorf("a proxy that %s, %s: %s", proxy, name, response.Status)
			}
		}
	}
	for _, url := range []string{public, public + "/", b.Callbacks} {
		for _, words := range [][]string{{"send", "zoho-webhooks"}, {"send", "hubspot-webhooks"}, {"check", "--roundtrip"}} {
			command := exec.Command(program, append(words, "--url", url)...)
			command.Env = append(append(environment(dir), "BRIDGE_NATS_LISTEN="+strings.TrimPrefix(b.NATS, "nats://")), env...)
			if out, err := command.CombinedOutput(); err != nil {
				t.Errorf("%s --url %s: %v: %s", strings.Join(words, " "), url, err, out)
			}
		}
	}
	for path, want := range map[string]int{
		"/crm/schemas/v1/zoho-notifications.json": 200, "/crm/asyncapi.yaml": 200, "/asyncapi.html": 200, "/hooks/asyncapi.html": 200,
		"/crm": 404, "/crm/": 404, "/crm/metrics": 404, "/crm/readyz": 404, "/crm/crm/asyncapi.yaml": 404, "/crm/../metrics": 404, "/other/asyncapi.yaml": 404,
	} {
		if status, _ := getPath(t, b.Callbacks+path); status != want {
			t.Errorf("GET %s: %d, not %d", path, status, want)
		}
	}
	named := []string{}
	for _, one := range events(t, b.NATS) {
		if !strings.HasPrefix(one.DataSchema, "https://old.example.com/hooks/schemas/v1/") {
			t.Errorf("%s names the schema %s", one.Subject, one.DataSchema)
		}
		if !slices.Contains(named, one.DataSchema) {
			named = append(named, one.DataSchema)
		}
	}
	for _, schema := range named {
		path := strings.TrimPrefix(schema, "https://old.example.com") // as its proxy has it
		family := strings.TrimSuffix(strings.TrimPrefix(path, "/hooks/schemas/v1/"), ".json")
		if status, body := getPath(t, b.Callbacks+path); status != http.StatusOK || !strings.Contains(body, `"urn:crm-bridge:schema:v1:`+family+`"`) {
			t.Errorf("%s: %d: %.200s", path, status, body)
		}
	}
	if len(named) < 5 {
		t.Errorf("the events name only the schemas %q", named)
	}
}

func getPath(t *testing.T, url string) (status int, body string) {
	t.Helper()
	response, err := client.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = response.Body.Close() }()
	read, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return response.StatusCode, string(read)
}
