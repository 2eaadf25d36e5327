package e2e

import (
	"bufio"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/crm-bridge/crm-bridge/ingest/zoho/zohotest"
)

// violations is a log of a NATS server, of which only refused requests are kept.
type violations struct {
	mu   sync.Mutex
	seen []string
}

func (v *violations) note(format string, args ...any) {
	if line := fmt.Sprintf(format, args...); strings.Contains(line, "Violation") {
		v.mu.Lock()
		defer v.mu.Unlock()
		v.seen = append(v.seen, line)
	}
}

func (v *violations) Noticef(format string, args ...any) { v.note(format, args...) }
func (v *violations) Warnf(format string, args ...any)   { v.note(format, args...) }
func (v *violations) Fatalf(format string, args ...any)  { v.note(format, args...) }
func (v *violations) Errorf(format string, args ...any)  { v.note(format, args...) }
func (v *violations) Debugf(format string, args ...any)  { v.note(format, args...) }
func (v *violations) Tracef(format string, args ...any)  { v.note(format, args...) }

// documentedNATS starts a NATS server whose users may do what docs/nats.md lists, and no more.
func documentedNATS(t *testing.T, log *violations) (as func(user string) string) {
	t.Helper()
	doc, err := os.ReadFile("../../docs/nats.md")
	if err != nil {
		t.Fatal(err)
	}
	snippet := regexp.MustCompile("(?s)```\n(authorization .*?)\n```").FindSubmatch(doc)
	if snippet == nil {
		t.Fatal("the list of permissions is not where it was")
	}
	file := filepath.Join(t.TempDir(), "nats.conf")
	if err := os.WriteFile(file, []byte(strings.ReplaceAll(string(snippet[1]), `"…"`, `"p"`)), 0o600); err != nil {
		t.Fatal(err)
	}
	options, err := server.ProcessConfigFile(file)
	if err != nil {
		t.Fatal(err)
	}
	options.Host, options.Port, options.JetStream, options.StoreDir, options.NoSigs = "127.0.0.1", -1, true, t.TempDir(), true
	s, err := server.NewServer(options)
	if err != nil {
		t.Fatal(err)
	}
	s.SetLoggerV2(log, false, false, false)
	go s.Start()
	t.Cleanup(s.Shutdown)
	if !s.ReadyForConnections(10 * time.Second) {
		t.Fatal("the server does not start")
	}
	return func(user string) string {
		return "BRIDGE_NATS_URL=" + strings.Replace(s.ClientURL(), "//", "//"+user+":p@", 1)
	}
}

// restartedJob begins a replay again, and ends it when what it had published is removed: then it waits for two minutes.
func restartedJob(t *testing.T, env []string, args ...string) {
	t.Helper()
	cmd := replayCommand(env, args...)
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	var said strings.Builder
	for lines := bufio.NewScanner(io.TeeReader(stderr, &said)); lines.Scan() && !strings.Contains(lines.Text(), "removed what job"); {
	}
	if err := cmd.Process.Kill(); err != nil || !strings.Contains(said.String(), "removed what job") {
		t.Errorf("it says %s (%v)", said.String(), err)
	}
	_ = cmd.Wait()
}

// readStuck has a consumer give up on an event, and looks at it with the commands.
func readStuck(t *testing.T, address string, run func(user string, args ...string) string) {
	t.Helper()
	conn, err := nats.Connect(strings.TrimPrefix(address, "BRIDGE_NATS_URL="))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	c, err := js.CreateConsumer(t.Context(), "CRM", jetstream.ConsumerConfig{Durable: "billing", MaxDeliver: 1, AckWait: 100 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool {
		batch, err := c.Fetch(1, jetstream.FetchMaxWait(200*time.Millisecond))
		if err != nil {
			t.Fatal(err)
		}
		for range batch.Messages() { // to its end: what is left of it would take the event again after the reset
		}
		return strings.Contains(run("crm-bridge", "consumers", "--dead", "billing"), `"reason":"max deliveries"`)
	})
	run("crm-bridge", "consumers")
	run("crm-bridge", "consumers", "pause", "billing", "--for", "1h")
	run("crm-bridge", "consumers", "resume", "billing")
	run("crm-bridge", "consumers", "reset", "billing", "--to", "first", "--yes")
	run("crm-operator", "replay", "--dead", "billing", "--to", "subject")
	if out := run("crm-bridge", "consumers", "--dead", "billing"); !strings.Contains(out, `"replayedAt"`) {
		t.Errorf("it is not marked as replayed: %s", out)
	}
	run("crm-bridge", "consumers", "--dead", "billing", "--clear", "--yes")
}

// On a NATS of one's own the bridge, in both ways to deliver, and its commands take no more rights than docs/nats.md lists.
func TestBridgeTakesLittle(t *testing.T) {
	for _, delivery := range []string{"direct", "journal"} {
		t.Run(delivery, func(t *testing.T) {
			log := &violations{}
			as := documentedNATS(t, log)
			crm := &zohotest.CRM{ClientID: "1000.CLIENT", ClientSecret: "the-secret-of-the-client", RefreshToken: "1000.the-refresh-token", Callbacks: http.DefaultTransport}
			api := httptest.NewServer(crm)
			t.Cleanup(api.Close)
			deal, err := crm.Create("Deals", map[string]any{"Deal_Name": "before"})
			if err != nil {
				t.Fatal(err)
			}
			dir, port := t.TempDir(), freePort(t)
			env := []string{
				"BRIDGE_DELIVERY=" + delivery, "BRIDGE_LISTEN=127.0.0.1:" + port, "BRIDGE_PUBLIC_URL=http://127.0.0.1:" + port, "BRIDGE_ZOHO_EVENTS=Deals.all", "BRIDGE_ZOHO_RECORDS=Deals",
				"BRIDGE_ZOHO_TOKEN_SECRET=the-token-secret-of-this-test", "BRIDGE_STATE_KEY=the-state-key-of-this-test", "BRIDGE_ERASE_ON_REQUEST=true",
				"BRIDGE_ZOHO_CLIENT_ID=1000.CLIENT", "BRIDGE_ZOHO_CLIENT_SECRET=the-secret-of-the-client", "BRIDGE_ZOHO_REFRESH_TOKEN=1000.the-refresh-token",
				"BRIDGE_ZOHO_ACCOUNTS_URL=" + api.URL, "BRIDGE_ZOHO_API_URL=" + api.URL,
			}
			b := start(t, dir, append(env, as("crm-bridge"), "BRIDGE_STREAM_MAX_AGE=48h")...)
			waitFor(t, func() bool { return len(crm.Live()) == 1 })
			if a := post(t, b.Callbacks+path, `{"token":"wrong"`); a.Status != 401 {
				t.Errorf("answered %d %s", a.Status, a.Text)
			}
			run := func(user string, args ...string) string {
				t.Helper()
				out, code := elsewhere(t, append(env, as(user), "BRIDGE_ADMIN_LISTEN="+strings.TrimPrefix(b.Admin, "http://"), "BRIDGE_DATA_DIR="+dir), args...)
				if code != 0 {
					t.Errorf("%v ended with %d: %s", args, code, out)
				}
				return out
			}
			run("crm-operator", "check", "--roundtrip")
			if out, code := elsewhere(t, append(env, as("crm-operator")), "send", "--module", "no module"); code != 1 || !strings.Contains(out, "quarantineId") {
				t.Fatalf("send ended with %d: %s", code, out)
			}
			var waiting string
			waitFor(t, func() bool {
				waiting = run("crm-bridge", "quarantine", "list")
				return strings.Contains(waiting, "zoho-notifications")
			})
			run("crm-bridge", "quarantine", "show", regexp.MustCompile(`"id":"([^"]*)"`).FindStringSubmatch(waiting)[1])
			run("crm-bridge", "quarantine", "drop", "--all")
			run("crm-operator", "tail", "--since", "1h", "--count", "1")
			run("crm-operator", "replay", "--since", "1h")
			run("crm-operator", "replay", "--since", "1h", "--to", "subject", "--job", "one")
			restartedJob(t, append(append(environment(dir), env...), as("crm-operator")), "--since", "1h", "--to", "subject", "--job", "one", "--restart")
			run("crm-operator", "replay", "jobs")
			run("crm-operator", "replay", "delete", "one")
			consoleAsks(t, strings.TrimPrefix(as("crm-bridge"), "BRIDGE_NATS_URL="))
			run("crm-bridge", "config", "check")
			run("crm-operator", "backfill", "zoho", "--module", "Deals", "--since", "1h")
			waitFor(t, func() bool {
				out, code := elsewhere(t, append(env, as("crm-operator")), "record", "zoho", "Deals", deal)
				return code == 0 && strings.Contains(out, `"Deal_Name":"before"`)
			})
			elsewhere(t, append(env, as("crm-operator")), "record", "zoho", "Deals", "7")
			if out := run("crm-bridge", "erase", "zoho", "Deals", deal, "--yes"); !strings.Contains(out, `{"stream":"CRM","deleted":1,`) {
				t.Errorf("erase said %s", out)
			}
			run("crm-bridge", "channels")
			readStuck(t, as("crm-operator"), run)
			get(t, b.Callbacks+"/asyncapi.yaml")
			if err := b.stop(t, 15); err != nil {
				t.Error(err)
			}
			start(t, dir, append(env, as("crm-bridge"), "BRIDGE_STREAM_MAX_AGE=72h", "BRIDGE_QUARANTINE_MAX_BYTES=128MiB")...) // changes the streams
			log.mu.Lock()
			defer log.mu.Unlock()
			if len(log.seen) > 0 {
				t.Errorf("refused:\n%s", strings.Join(log.seen, "\n"))
			}
		})
	}
}
