package e2e

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/crm-bridge/crm-bridge/ingest/zoho/zohotest"
	"github.com/crm-bridge/crm-bridge/schemas"
)

// readCRM is a Zoho CRM whose records a bridge reads by their ids.
type readCRM struct {
	*zohotest.CRM
	held  atomic.Bool // such requests are not answered
	reads atomic.Int32
}

func (c *readCRM) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Query().Has("ids") {
		c.reads.Add(1)
		if c.held.Load() {
			<-r.Context().Done()
			return
		}
	}
	c.CRM.ServeHTTP(w, r)
}

// keepsRecords returns a CRM, and the variables with which a bridge keeps the records of its deals.
func keepsRecords(t *testing.T) (*readCRM, []string) {
	t.Helper()
	crm := &readCRM{CRM: &zohotest.CRM{
		ClientID: "1000.CLIENT", ClientSecret: "the-secret-of-the-client", RefreshToken: "1000.the-refresh-token", Callbacks: http.DefaultTransport,
	}}
	api, port := httptest.NewServer(crm), freePort(t)
	t.Cleanup(api.Close)
	return crm, []string{
		"BRIDGE_LISTEN=127.0.0.1:" + port, "BRIDGE_PUBLIC_URL=http://127.0.0.1:" + port, "BRIDGE_NATS_LISTEN=127.0.0.1:" + freePort(t),
		"BRIDGE_ZOHO_EVENTS=Deals.all", "BRIDGE_ZOHO_RECORDS=Deals", "BRIDGE_RECORDS_HISTORY=9", "BRIDGE_STATE_KEY=the-state-key-of-this-test",
		"BRIDGE_ZOHO_TOKEN_SECRET=the-token-secret-of-this-test", "BRIDGE_ZOHO_CLIENT_ID=1000.CLIENT", "BRIDGE_ZOHO_CLIENT_SECRET=the-secret-of-the-client",
		"BRIDGE_ZOHO_REFRESH_TOKEN=1000.the-refresh-token", "BRIDGE_ZOHO_ACCOUNTS_URL=" + api.URL, "BRIDGE_ZOHO_API_URL=" + api.URL,
	}
}

// recordStates are the states that crm-bridge record prints; none while it fails.
func recordStates(t *testing.T, env []string, id string) (states []schemas.Record) {
	t.Helper()
	out, code := elsewhere(t, env, "record", "zoho", "Deals", id)
	if code != 0 {
		return nil
	}
	for line := range strings.Lines(out) {
		var one struct {
			Subject string
			Event   struct{ Data schemas.Record }
		}
		if err := json.Unmarshal([]byte(line), &one); err != nil || one.Subject != "crm-records.zoho.default.Deals."+id {
			t.Fatalf("%v: %s", err, line)
		}
		states = append(states, one.Event.Data)
	}
	return states
}

// A record that is made, changed and deleted in the CRM arrives as states, which the command record prints; it says why where
// there is none.
func TestRecords(t *testing.T) {
	t.Parallel()
	crm, env := keepsRecords(t)
	remote := openRemote(t, t.TempDir(), -1)
	env = append(env, direct, "BRIDGE_NATS_URL="+remote.ClientURL())
	start(t, t.TempDir(), env...)
	waitFor(t, func() bool { return len(crm.Live()) == 1 })
	id, err := crm.Create("Deals", map[string]any{"Stage": "New", "Amount": json.Number("12345678901234567890.10")})
	if err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool { return len(recordStates(t, env, id)) == 1 })
	if err := crm.Update("Deals", id, map[string]any{"Stage": "Won"}); err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool { return len(recordStates(t, env, id)) == 2 })
	if err := crm.Delete("Deals", id); err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool { return len(recordStates(t, env, id)) == 3 })
	states := recordStates(t, env, id)
	for i, want := range []struct{ operation, before, after string }{
		{"create", "", `"Stage":"New"`}, {"edit", `"Stage":"New"`, `"Stage":"Won"`}, {"delete", `"Stage":"Won"`, ""},
	} {
		if s := states[i]; s.Operation != want.operation || !strings.Contains(string(s.Before), want.before) || !strings.Contains(string(s.After), want.after) || len(s.Causes) != 1 {
			t.Errorf("state %d: %+v", i, s)
		}
	}
	if !strings.Contains(string(states[1].After), `"Amount":12345678901234567890.10`) || states[1].ChangedBy == "" {
		t.Errorf("the edit: %s", states[1].After)
	}
	_, js := consumer(t, remote.ClientURL(), "crm.>")
	if _, err := js.Publish(t.Context(), "crm-records.zoho.emea.Deals."+id, []byte(`{}`)); err != nil {
		t.Fatal(err)
	}
	if out, code := elsewhere(t, env, "record", "zoho", "Deals", id); code != 2 || !strings.Contains(out, "record "+id+" exists in the accounts default and emea: choose one with --account") {
		t.Errorf("of two accounts it ended with %d: %s", code, out)
	}
	if out, code := elsewhere(t, env, "record", "zoho", "Deals", id, "--account", "default"); code != 0 || strings.Count(out, "\n") != 3 {
		t.Errorf("of one of two accounts it ended with %d: %s", code, out)
	}
	for args, says := range map[string]string{
		"record zoho Deals 7":                     "CRM_RECORDS has no record 7 of Deals: it appears with its next change",
		"record zoho Leads " + id:                 "records of Leads are not kept: BRIDGE_ZOHO_RECORDS of the bridge names Deals",
		"record pipedrive deal 7":                 "set BRIDGE_PIPEDRIVE_RECORDS of the bridge",
		"record zoho Deals --account apac " + id:  "account apac has no record " + id + "; it exists in default and emea",
		"record zoho Deals --account default xyz": "has no record xyz",
	} {
		if out, code := elsewhere(t, env, strings.Fields(args)...); code != 1 || !strings.Contains(out, says) || strings.Count(out, "\n") != 1 {
			t.Errorf("%s ended with %d: %s", args, code, out)
		}
	}
}

// A bridge that ends between an event and its state loses none, wherever the states are. After a kill a NATS server delivers an event
// again whose reader is gone: the embedded one ten seconds after its start, any other half a minute after it was read.
func TestRecordsOutliveTheBridge(t *testing.T) {
	for mode, signal := range map[string]syscall.Signal{"embedded": syscall.SIGKILL, "journal": syscall.SIGTERM, "direct": syscall.SIGTERM} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			crm, env := keepsRecords(t)
			dir := t.TempDir()
			if mode != "embedded" {
				env = append(env, "BRIDGE_DELIVERY="+mode, "BRIDGE_NATS_URL="+openRemote(t, t.TempDir(), -1).ClientURL())
			}
			b := start(t, dir, env...)
			env = append(env, "BRIDGE_DATA_DIR="+dir)
			waitFor(t, func() bool { return len(crm.Live()) == 1 })
			crm.held.Store(true)
			var ids []string
			for n := range 5 {
				id, err := crm.Create("Deals", map[string]any{"Deal_Name": fmt.Sprint(n)})
				if err != nil {
					t.Fatal(err)
				}
				ids = append(ids, id)
			}
			waitFor(t, func() bool { return crm.reads.Load() > 0 })
			if err := b.stop(t, signal); err != nil && signal == syscall.SIGTERM {
				t.Error(err)
			}
			crm.held.Store(false)
			start(t, dir, env...)
			for _, id := range ids {
				waitFor(t, func() bool { return len(recordStates(t, env, id)) == 1 })
			}
		})
	}
}

// While the stream of records is full, events are stored and states wait; with a larger limit they go on where they stopped.
func TestRecordsWaitForRoom(t *testing.T) {
	t.Parallel()
	crm, env := keepsRecords(t)
	remote := openRemote(t, t.TempDir(), -1)
	env = append(env, direct, "BRIDGE_NATS_URL="+remote.ClientURL())
	b := start(t, t.TempDir(), append(env, "BRIDGE_RECORDS_MAX_BYTES=16KiB")...)
	waitFor(t, func() bool { return len(crm.Live()) == 1 })
	var deals []string
	for range 20 {
		id, err := crm.Create("Deals", map[string]any{"Description": strings.Repeat("x", 1000)})
		if err != nil {
			t.Fatal(err)
		}
		deals = append(deals, id)
	}
	if n := len(ids(t, remote.ClientURL())); n != len(deals) {
		t.Errorf("%d events of %d are stored", n, len(deals))
	}
	waitFor(t, func() bool {
		_, metrics := get(t, b.Admin+"/metrics")
		return strings.Contains(b.Log(), "maximum bytes exceeded") && strings.Contains(metrics, `crm_bridge_records_failures_total{provider="zoho"}`)
	})
	if err := b.stop(t, syscall.SIGTERM); err != nil {
		t.Error(err)
	}
	start(t, t.TempDir(), append(env, "BRIDGE_RECORDS_MAX_BYTES=1MiB")...)
	for _, id := range deals {
		waitFor(t, func() bool { return len(recordStates(t, env, id)) == 1 })
	}
}
