package e2e

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/crm-bridge/crm-bridge/ingest/zoho/zohotest"
)

// problems runs the command status, and returns what needs a person, and the exit code.
func problems(t *testing.T, b *bridge, dir string) (text string, code int) {
	t.Helper()
	out, code := command(t, b, dir, "status")
	var report struct {
		Version  string
		Problems []struct{ What, Where, Fix string }
	}
	if err := json.Unmarshal([]byte(out), &report); err != nil || report.Version == "" {
		t.Fatalf("status ended with %d: %s", code, out)
	}
	for _, one := range report.Problems {
		if one.What == "" || one.Where == "" || one.Fix == "" {
			t.Errorf("a problem does not say what, where and what to do: %+v", one)
		}
		text += one.What + " (" + one.Where + "): " + one.Fix + "\n"
	}
	if strings.Contains(out, "TOKEN_FOR_VERIFICATION") {
		t.Errorf("status shows a secret: %s", out)
	}
	return text, code
}

// isWell fails the test unless status ends with 0 and no problem.
func isWell(t *testing.T, b *bridge, dir string) {
	t.Helper()
	if text, code := problems(t, b, dir); code != 0 || text != "" {
		t.Errorf("a healthy bridge ended status with %d: %s", code, text)
	}
}

// needsPerson waits until status ends with 1, names one problem with these words, and no other.
func needsPerson(t *testing.T, b *bridge, dir string, words ...string) {
	t.Helper()
	var text string
	var code int
	for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(50 * time.Millisecond) {
		if text, code = problems(t, b, dir); code == 1 && strings.Count(text, "\n") == 1 && containsAll(text, words) {
			return
		}
	}
	t.Errorf("status ended with %d, and not with one problem that says %q: %s", code, words, text)
}

func containsAll(text string, words []string) bool {
	for _, word := range words {
		if !strings.Contains(text, word) {
			return false
		}
	}
	return true
}

// A healthy bridge has no problem, before the first callback and after one; where none runs, status says so.
func TestStatusOfAHealthyBridge(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := start(t, dir, documentedToken)
	isWell(t, b, dir)
	if a := post(t, b.Callbacks+path, documented); a.Status != 200 {
		t.Fatalf("answered %d %s", a.Status, a.Text)
	}
	isWell(t, b, dir)
	out, _ := command(t, b, dir, "status", "--json")
	for _, want := range []string{`"ready":true`, "a 200 guarantees: fsynced to", `"lastCallback":"20`, `"outcomes":{"accepted":1}`, `"name":"CRM","messages":1`} {
		if !strings.Contains(out, want) {
			t.Errorf("status does not say %s: %s", want, out)
		}
	}
	if metric(t, b, `crm_bridge_last_callback_timestamp_seconds{source="zoho-notifications"}`) == "0" {
		t.Error("the metric does not know the last callback")
	}
	_ = b.cmd.Process.Kill()
	if err := <-b.exited; err == nil {
		t.Error("a killed bridge ended in order")
	}
	if out, code := command(t, b, dir, "status"); code != 1 || !strings.Contains(out, "no bridge answers at") || !strings.Contains(out, "start one with") {
		t.Errorf("without a bridge status ended with %d: %s", code, out)
	}
}

// Each situation that needs a person is named, alone, with what to do.
func TestStatusNamesWhatIsBroken(t *testing.T) {
	for name, situation := range map[string]func(t *testing.T, dir string){
		"the disk takes nothing": func(t *testing.T, dir string) {
			b := start(t, dir, documentedToken)
			probe := filepath.Join(dir, "probe")
			_ = os.Remove(probe)
			if err := os.Mkdir(probe, 0o700); err != nil {
				t.Fatal(err)
			}
			needsPerson(t, b, dir, "The bridge is not ready: nothing can be stored", "make room on the disk of "+dir)
		},
		"the remote NATS is down with direct delivery": func(t *testing.T, dir string) {
			remote := openRemote(t, t.TempDir(), -1)
			b := start(t, dir, documentedToken, direct, "BRIDGE_NATS_URL="+remote.ClientURL())
			end(remote)
			needsPerson(t, b, dir, "The bridge is not ready: nothing can be stored", "bring NATS back")
		},
		"the remote NATS is down and events wait in the journal": func(t *testing.T, dir string) {
			remote := openRemote(t, t.TempDir(), -1)
			b := start(t, dir, documentedToken, "BRIDGE_NATS_URL="+remote.ClientURL())
			waitFor(t, func() bool { text, code := problems(t, b, dir); return code == 0 && text == "" })
			end(remote)
			for i := range 3 {
				if a := post(t, b.Callbacks+path, distinct(i)); a.Status != 200 {
					t.Fatalf("answered %d %s", a.Status, a.Text)
				}
			}
			needsPerson(t, b, dir, "Events are not forwarded to the remote NATS, and 3 events wait: forwarding is interrupted", "bring the NATS at BRIDGE_NATS_URL back")
		},
		"a channel has lapsed": func(t *testing.T, dir string) {
			crm := &zohotest.CRM{ClientID: "1000.CLIENT", ClientSecret: "secret", RefreshToken: "1000.refresh"}
			b := start(t, dir, zohoEnv(t, crm, "another-refresh-token")...)
			needsPerson(t, b, dir, "The channel for Deals has lapsed, and changes there are not reported", "crm-bridge channels renew zoho --account default")
		},
		"a secret is wrong": func(t *testing.T, dir string) {
			b := start(t, dir, documentedToken)
			for i := range 10 {
				if i == 9 {
					isWell(t, b, dir) // nine may be strangers'
				}
				if a := post(t, b.Callbacks+path, strings.Replace(documented, "TOKEN_FOR", "FORGED_FOR", 1)); a.Status != 401 {
					t.Fatalf("answered %d %s", a.Status, a.Text)
				}
			}
			needsPerson(t, b, dir, "10 callbacks of source zoho-notifications could not be authenticated, and none could: the secret is likely wrong", "crm-bridge connect zoho")
		},
		"a source has no secret": func(t *testing.T, dir string) {
			remote := openRemote(t, t.TempDir(), -1)
			b := start(t, dir, documentedToken, "BRIDGE_NATS_URL="+remote.ClientURL())
			waitFor(t, func() bool { text, code := problems(t, b, dir); return code == 0 && text == "" }) // that others have none is meant
			for range 10 {
				if a := post(t, b.Callbacks+"/hubspot/webhooks", `[]`); a.Status != 401 {
					t.Fatalf("answered %d %s", a.Status, a.Text)
				}
			}
			needsPerson(t, b, dir, "10 callbacks came for source hubspot-webhooks, which has no secret and rejects everything", "crm-bridge connect hubspot")
		},
		"no source has a secret": func(t *testing.T, dir string) {
			b := start(t, dir, "BRIDGE_NATS_URL="+openRemote(t, t.TempDir(), -1).ClientURL())
			needsPerson(t, b, dir, "No source has a secret: every callback is rejected", "crm-bridge connect")
		},
		"a callback is in quarantine": func(t *testing.T, dir string) {
			b := start(t, dir, documentedToken)
			if a := post(t, b.Callbacks+path, malformed); a.Status != 400 {
				t.Fatalf("answered %d %s", a.Status, a.Text)
			}
			needsPerson(t, b, dir, "1 callback waits in quarantine, which could not be parsed", "crm-bridge quarantine list")
		},
		"a consumer gave up on an event": func(t *testing.T, dir string) {
			b := start(t, dir, documentedToken)
			_, js := consumer(t, b.NATS, "crm.>")
			tired, err := js.CreateConsumer(t.Context(), "CRM", jetstream.ConsumerConfig{Durable: "billing", AckPolicy: jetstream.AckExplicitPolicy, MaxDeliver: 1, AckWait: 50 * time.Millisecond})
			if err != nil {
				t.Fatal(err)
			}
			if a := post(t, b.Callbacks+path, documented); a.Status != 200 {
				t.Fatalf("answered %d %s", a.Status, a.Text)
			}
			if _, err := tired.Next(jetstream.FetchMaxWait(10 * time.Second)); err != nil {
				t.Fatal(err)
			}
			go func() { _, _ = tired.Next(jetstream.FetchMaxWait(time.Second)) }() // the server notices at the next request
			needsPerson(t, b, dir, "Consumer billing gave up on 1 event", "crm-bridge consumers --dead")
		},
		"the remote NATS rejected an event": func(t *testing.T, dir string) {
			remote := openRemote(t, t.TempDir(), -1)
			b := start(t, dir, documentedToken, "BRIDGE_NATS_URL="+remote.ClientURL())
			waitFor(t, func() bool { text, code := problems(t, b, dir); return code == 0 && text == "" })
			_, js := consumer(t, remote.ClientURL(), "crm.>")
			stream, err := js.Stream(t.Context(), "CRM")
			if err != nil {
				t.Fatal(err)
			}
			smaller := stream.CachedInfo().Config
			smaller.MaxMsgSize = 100
			if _, err := js.UpdateStream(t.Context(), smaller); err != nil {
				t.Fatal(err)
			}
			if a := post(t, b.Callbacks+path, documented); a.Status != 200 {
				t.Fatalf("answered %d %s", a.Status, a.Text)
			}
			needsPerson(t, b, dir, "The remote NATS rejected 1 event", "crm-bridge quarantine redrive")
		},
		"a certificate has expired": func(t *testing.T, dir string) {
			cert, key := writeCertificate(t, time.Now().Add(-time.Hour))
			b := start(t, dir, documentedToken, "BRIDGE_LISTEN_CERT="+cert, "BRIDGE_LISTEN_KEY="+key)
			needsPerson(t, b, dir, "The certificate of BRIDGE_LISTEN_CERT has expired", "BRIDGE_LISTEN_KEY")
		},
		"a certificate expires soon": func(t *testing.T, dir string) {
			cert, key := writeCertificate(t, time.Now().Add(10*24*time.Hour))
			b := start(t, dir, documentedToken, "BRIDGE_NATS_LISTEN_CERT="+cert, "BRIDGE_NATS_LISTEN_KEY="+key)
			needsPerson(t, b, dir, "The certificate of BRIDGE_NATS_LISTEN_CERT expires in 9 d 23 h", "BRIDGE_NATS_LISTEN_KEY")
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			situation(t, t.TempDir())
		})
	}
}

// Answers without an fsync behind them are said in the sentence of what a 200 guarantees: that is configured, and no problem.
func TestStatusOfABridgeWithoutSync(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := start(t, dir, documentedToken, "BRIDGE_SYNC=10s")
	isWell(t, b, dir)
	if out, _ := command(t, b, dir, "status"); !strings.Contains(out, "a power cut loses up to 10s") {
		t.Errorf("status does not say what a 200 guarantees: %s", out)
	}
}
