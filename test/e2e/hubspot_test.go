package e2e

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/crm-bridge/crm-bridge/ingest/hubspot/hubspottest"
)

const hubspotEvent = `{"eventId":%d,"subscriptionId":2,"portalId":%d,"occurredAt":1796040000123,"subscriptionType":"contact.creation","objectId":%d,"changeFlag":"NEW"}`

// startHubSpot starts HubSpot, and returns what a bridge needs to know of it; the bridge receives on a port that is free now.
func startHubSpot(t *testing.T) (crm *hubspottest.CRM, env []string) {
	t.Helper()
	target := "http://127.0.0.1:" + freePort(t)
	crm = &hubspottest.CRM{ClientID: "app-client-id", ClientSecret: "the-client-secret-1", AccessToken: "pat-na1-the-access-token", Portal: 44001122, Target: target + "/below/hubspot/webhooks"}
	api := httptest.NewServer(crm)
	t.Cleanup(api.Close)
	return crm, []string{
		"BRIDGE_LISTEN=" + strings.TrimPrefix(target, "http://"), "BRIDGE_PUBLIC_URL=https://old.example.com," + target + "/below",
		"BRIDGE_HUBSPOT_CLIENT_SECRET=the-new-secret-2,the-client-secret-1", "BRIDGE_HUBSPOT_PORTALS=44001122", "BRIDGE_HUBSPOT_API_URL=" + api.URL,
	}
}

// The sampled callback of every way to send one is signed, so that the bridge accepts it: with nothing configured, and with a public URL.
func TestHubSpotSamplesAreSigned(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "callback.json")
	if err := os.WriteFile(file, fmt.Appendf(nil, "["+hubspotEvent+"]", 1, 44001122, 150712345678), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, env := range [][]string{nil, {"BRIDGE_PUBLIC_URL=https://crm.example.com:8443/a", "BRIDGE_HUBSPOT_CLIENT_SECRET=a-client-secret-1"}} {
		dir := t.TempDir()
		b := start(t, dir, env...)
		run := func(args ...string) (string, error) {
			cmd := exec.Command(program, args...)
			cmd.Env = append(append(environment(dir), "BRIDGE_LISTEN="+strings.TrimPrefix(b.Callbacks, "http://"), "BRIDGE_NATS_LISTEN="+strings.TrimPrefix(b.NATS, "nats://")), env...)
			out, err := cmd.CombinedOutput()
			return string(out), err
		}
		for args, want := range map[string]string{
			"send hubspot-webhooks": "crm.hubspot.contact.edit",
			"send hubspot-webhooks --module deal --operation create --id 7 --id 8":    "crm.hubspot.deal.create",
			"send hubspot-webhooks --module 2-3508482 --operation delete --count 2":   "crm.hubspot.2-3508482.delete",
			"send hubspot-webhooks --url " + b.Callbacks + " --file " + file:          "crm.hubspot.contact.create",
			"send hubspot-webhooks --token another-client-secret --operation restore": "401",
		} {
			if out, err := run(strings.Fields(args)...); (err == nil) != (want != "401") || !strings.Contains(out, want) {
				t.Errorf("%s: %v, %s", args, err, out)
			}
		}
		if out, err := run("check", "--roundtrip"); err != nil {
			t.Errorf("roundtrip: %v, %s", err, out)
		}
		if got := len(ids(t, b.NATS)); got < 7 {
			t.Errorf("%d events", got)
		}
	}
}

// Of a batch of which one event is malformed the others are published in order, that one is quarantined by itself and can be redriven, and
// the answer is 200. The same batch again adds nothing, also with an event twice in it; that of a stranger's portal is ignored.
func TestHubSpotBatch(t *testing.T) {
	t.Parallel()
	crm, env := startHubSpot(t)
	dir := t.TempDir()
	b := start(t, dir, env...)
	proxy := &http.Client{Transport: removes("/below")}
	deliver := func(body string) (got answer) {
		t.Helper()
		status, text, err := crm.Deliver(t.Context(), proxy, []byte(body))
		if err != nil || json.Unmarshal(text, &got) != nil {
			t.Fatalf("%v: %s", err, text)
		}
		got.Status, got.Text = status, string(text)
		return got
	}
	var events []string
	for i := range 100 {
		events = append(events, fmt.Sprintf(hubspotEvent, i, 44001122, 1000+i))
	}
	events[40] = `{"portalId":44001122,"subscriptionType":"contact.creation"}`
	events[50] = fmt.Sprintf(hubspotEvent, 50, 666, 1050)
	events[60] = events[59]
	batch := "[" + strings.Join(events, ",") + "]"
	first := deliver(batch)
	if first.Status != 200 || len(first.Events) != 98 || strings.Count(first.Text, "quarantineId") != 1 || first.Events[0].Sequence != 1 {
		t.Fatalf("answered %d, %d events: %s", first.Status, len(first.Events), first.Text)
	}
	again := deliver(batch)
	if again.Status != 200 || again.Events[0].ID != first.Events[0].ID || !again.Events[97].Duplicate {
		t.Errorf("again: %d %s", again.Status, again.Text)
	}
	if stored := ids(t, b.NATS); len(stored) != 97 {
		t.Errorf("%d events are stored, not 97", len(stored))
	}
	for id, n := range ids(t, b.NATS) {
		if n != 1 {
			t.Errorf("%s is stored %d times", id, n)
		}
	}
	if ignored := deliver("[" + events[50] + "]"); ignored.Status != 200 || len(ignored.Events) != 0 {
		t.Errorf("a stranger's portal: %d %s", ignored.Status, ignored.Text)
	}
	if broken := deliver(batch[:3000]); broken.Status != 200 || broken.QuarantineID == "" {
		t.Errorf("cut: %d %s", broken.Status, broken.Text)
	}
	crm.ClientSecret = "the-secret-of-another-app"
	if forged := deliver("[" + events[0] + "]"); forged.Status != 401 || strings.Contains(b.Log(), "the-client-secret-1") {
		t.Errorf("forged: %d %s", forged.Status, forged.Text)
	}
	_, metrics := get(t, b.Admin+"/metrics")
	for _, want := range []string{
		`crm_bridge_callbacks_total{outcome="ignored",source="hubspot-webhooks"} 1`, `crm_bridge_quarantined_total{source="hubspot-webhooks"} 3`,
		`crm_bridge_callbacks_total{outcome="malformed",source="hubspot-webhooks"} 1`,
	} {
		if !strings.Contains(metrics, want) {
			t.Errorf("no metric %s", want)
		}
	}
}

// removes is a proxy that removes the beginning of a path.
type removes string

func (p removes) RoundTrip(r *http.Request) (*http.Response, error) {
	behind := r.Clone(r.Context())
	behind.URL.Path = strings.TrimPrefix(r.URL.Path, string(p))
	return http.DefaultTransport.RoundTrip(behind)
}

// What changes is read from the journal, also what changed while a bridge was killed; and where the journal has lost it, from the records.
func TestHubSpotJournal(t *testing.T) {
	t.Parallel()
	crm, env := startHubSpot(t)
	env = append(env, "BRIDGE_HUBSPOT_CLIENT_ID=app-client-id", "BRIDGE_HUBSPOT_CLIENT_SECRET=the-client-secret-1", "BRIDGE_HUBSPOT_ACCESS_TOKEN=pat-na1-the-access-token", "BRIDGE_HUBSPOT_JOURNAL=contact:email,deal:amount")
	dir := t.TempDir()
	b := start(t, dir, env...)
	waitFor(t, func() bool { return crm.Subscriptions() == 2 })
	create := func(n int) {
		for range n {
			crm.Create("deals", "0-3", map[string]string{"amount": "1"})
		}
		crm.Publish()
	}
	create(1200)
	waitFor(t, func() bool { return len(ids(t, b.NATS)) > 0 })
	_ = b.stop(t, syscall.SIGKILL)
	create(5)
	b = start(t, dir, env...)
	waitFor(t, func() bool { return len(ids(t, b.NATS)) == 1205 })
	for id, n := range ids(t, b.NATS) {
		if n != 1 {
			t.Fatalf("%s is stored %d times", id, n)
		}
	}
	_ = b.stop(t, syscall.SIGTERM)
	lost := crm.Create("deals", "0-3", map[string]string{"amount": "2"})
	create(0)
	crm.Create("contacts", "0-1", map[string]string{"email": "a@example.com"})
	create(0)
	crm.Expire(3) // all but the last one
	b = start(t, dir, env...)
	deadline := time.Now().Add(2 * time.Minute)
	for !repaired(t, b, lost) {
		if time.Now().After(deadline) {
			t.Fatalf("deal %s was not repaired:\n%s", lost, b.Log())
		}
		time.Sleep(500 * time.Millisecond)
	}
	if log := b.Log(); !strings.Contains(log, "gap repaired") || strings.Contains(log, "the-access-token") {
		t.Errorf("%s", log)
	}
}

// repaired reports whether the stream holds a repair's event of a deal.
func repaired(t *testing.T, b *bridge, deal string) bool {
	t.Helper()
	_, js := consumer(t, b.NATS, "crm.>")
	stream, err := js.Stream(t.Context(), "CRM")
	if err != nil {
		t.Fatal(err)
	}
	var last *jetstream.RawStreamMsg
	for sequence := stream.CachedInfo().State.LastSeq; sequence > 1205; sequence-- {
		if last, err = stream.GetMsg(t.Context(), sequence); err == nil && strings.Contains(string(last.Data), `"crmorigin":"repair"`) && strings.Contains(string(last.Data), deal) {
			return true
		}
	}
	return false
}

// A backfill reads a portal whose id it learns from the API.
func TestHubSpotBackfill(t *testing.T) {
	t.Parallel()
	crm, env := startHubSpot(t)
	dir := t.TempDir()
	b := start(t, dir, env...)
	for i := range 450 {
		crm.CreateAt("deals", "0-3", map[string]string{"dealname": "a", "amount": "12500.50"}, time.Now().UTC().Add(time.Duration(i/2)*time.Millisecond-time.Minute).Truncate(time.Millisecond))
	}
	backfill := exec.Command(program, "backfill", "hubspot", "--module", "deal", "--since", "1h", "--json")
	backfill.Env = append(append(environment(dir), env[2], "BRIDGE_HUBSPOT_ACCESS_TOKEN=pat-na1-the-access-token", env[4]), "BRIDGE_NATS_LISTEN="+strings.TrimPrefix(b.NATS, "nats://"))
	stderr, _ := backfill.StderrPipe()
	said := make(chan string, 1)
	go func() {
		text, _ := io.ReadAll(stderr)
		said <- string(text)
	}()
	out, err := backfill.Output()
	if err != nil || !strings.Contains(string(out), `"events":450`) {
		t.Fatalf("%v: %s %s", err, out, <-said)
	}
	c, _ := consumer(t, b.NATS, "crm.hubspot.deal.create")
	msg, err := c.Next(jetstream.FetchMaxWait(10 * time.Second))
	if err != nil || !strings.Contains(string(msg.Data()), `"account":"44001122"`) || !strings.Contains(string(msg.Data()), `"amount":"12500.50"`) {
		t.Errorf("%v: %s", err, msg.Data())
	}
}
