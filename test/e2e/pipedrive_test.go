package e2e

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/crm-bridge/crm-bridge/ingest/pipedrive/pipedrivetest"
	"github.com/crm-bridge/crm-bridge/schemas"
)

// changes returns what the stream holds, such as "deal.edit repair", in order, and the data of the last event.
func changes(t *testing.T, b *bridge) (all []string, last schemas.Change) {
	t.Helper()
	for _, stored := range events(t, b.NATS) {
		last = stored.Data
		all = append(all, last.Module+"."+last.Operation+" "+stored.CRMOrigin)
	}
	return all, last
}

// A bridge without configuration takes what send makes, with the old values in the event; what it cannot parse is answered with 200.
func TestPipedriveWithoutConfiguration(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := start(t, dir)
	send := func(args ...string) string {
		t.Helper()
		cmd := exec.Command(program, append([]string{"send", "pipedrive-webhooks", "--url", b.Callbacks}, args...)...)
		cmd.Env = environment(dir)
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return string(out)
	}
	if out := send("--module", "deal", "--id", "4711"); !strings.Contains(out, `"subject":"crm.pipedrive.deal.edit"`) {
		t.Errorf("send says %s", out)
	}
	all, last := changes(t, b)
	if !slices.Equal(all, []string{"deal.edit live"}) || last.Account != "10203040" || last.ChangedBy != "501" || string(last.Previous["4711"]) != `{"label_ids":[2]}` || last.Fields["4711"][0] != "label_ids" {
		t.Errorf("%s, %+v", all, last)
	}
	if out := send("--file", "../../ingest/pipedrive/testdata/version-1.json"); !strings.Contains(out, `"status":200`) || !strings.Contains(out, "version 2.0") || !strings.Contains(out, "quarantineId") {
		t.Errorf("a webhook of version 1.0: %s", out)
	}
}

// With an API token the bridge makes its webhook; one that Pipedrive deletes without notice is made again, and what changed meanwhile is
// read from the records. No secret gets out.
func TestPipedriveWebhookHeals(t *testing.T) {
	t.Parallel()
	const token, password = "0123456789abcdef0123456789abcdef01234567", "the-password-of-this-test"
	crm := &pipedrivetest.CRM{Token: token, Callbacks: http.DefaultTransport}
	api := httptest.NewServer(crm)
	t.Cleanup(api.Close)
	dir, port := t.TempDir(), freePort(t)
	env := []string{
		"BRIDGE_LISTEN=127.0.0.1:" + port, "BRIDGE_PUBLIC_URL=http://127.0.0.1:" + port, "BRIDGE_PIPEDRIVE_EVENTS=deal.all,person.all",
		"BRIDGE_PIPEDRIVE_PASSWORD=" + password, "BRIDGE_PIPEDRIVE_API_TOKEN=" + token, "BRIDGE_PIPEDRIVE_API_URL=" + api.URL,
	}
	b := start(t, dir, env...)
	channels := func(args ...string) string {
		t.Helper()
		cmd := exec.Command(program, append([]string{"channels"}, args...)...)
		cmd.Env = append(append(environment(dir), env...), "BRIDGE_ADMIN_LISTEN="+strings.TrimPrefix(b.Admin, "http://"))
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		return string(out)
	}
	waitFor(t, func() bool { return len(crm.Webhooks()) == 2 })
	id, err := crm.Create("deal", map[string]any{"title": "Roof", "value": json.Number("12500.50")})
	if err == nil {
		err = crm.Update("deal", id, map[string]any{"title": "Roof, north wing"})
	}
	if err != nil {
		t.Fatal(err)
	}
	all, last := changes(t, b) // they were answered, so they are stored
	if !slices.Equal(all, []string{"deal.create live", "deal.edit live"}) || !strings.Contains(string(last.Previous[id]), `"title":"Roof"`) || !strings.Contains(string(last.Values[id]), "12500.50") {
		t.Errorf("%s, %+v", all, last)
	}
	waitFor(t, func() bool { return strings.Count(channels(), `"state":"active"`) == 2 })

	crm.Lose()
	missed, err := crm.Create("person", map[string]any{"name": "J. Doe"})
	if err != nil {
		t.Fatal(err)
	}
	if out := channels("enable", "pipedrive"); strings.Count(out, `"state":"active"`) != 2 || len(crm.Webhooks()) != 2 {
		t.Errorf("enable says %s", out)
	}
	waitFor(t, func() bool { return len(ids(t, b.NATS)) == 4 }) // both modules have a gap, from shortly before it
	if all, last = changes(t, b); !slices.Contains(all, "person.create repair") || last.Module == "person" && last.IDs[0] != missed {
		t.Errorf("repaired were %s, last %+v", all, last)
	}
	if out := channels("disable", "pipedrive", "deal"); !strings.Contains(out, `"state":"disabled"`) || len(crm.Webhooks()) != 1 {
		t.Errorf("disable says %s", out)
	}
	for _, secret := range []string{token, password} {
		if strings.Contains(b.Log(), secret) {
			t.Errorf("the log shows %s", secret)
		}
	}
}
