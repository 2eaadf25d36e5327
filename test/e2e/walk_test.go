package e2e

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/protocol/nats_jetstream/v2"
	"github.com/cloudevents/sdk-go/v2/binding"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// documented is the notification that Zoho's own document prints.
const documented = `{"query_params":{"key1":"val1","ke2":"val2"},"resource_uri":"https://www.zohoapis.com.cn/crm/v2/Contacts","module":"Contacts",
	"ids":["1000000033163"],"operation":"update","channel_id":"1000000000045","token":"TOKEN_FOR_VERIFICATION_OF_1000000000045"}`

const documentedToken = "BRIDGE_ZOHO_TOKENS=1000000000045:TOKEN_FOR_VERIFICATION_OF_1000000000045"

const path = "/zoho/notifications"

// Zoho's documented notification, posted over HTTP, is read back by an independent NATS client as a valid CloudEvent.
func TestWalk(t *testing.T) {
	for _, mode := range []string{"structured", "binary"} {
		t.Run(mode, func(t *testing.T) {
			b := start(t, t.TempDir(), documentedToken, "BRIDGE_EVENT_MODE="+mode)
			a := post(t, b.Callbacks+path, documented)
			if a.Status != 200 || len(a.Events) != 1 || a.Events[0].Subject != "crm.zoho.Contacts.edit" || a.Events[0].Stream != "CRM" || a.Events[0].Sequence != 1 {
				t.Fatalf("answered %d %s", a.Status, a.Text)
			}
			c, _ := consumer(t, b.NATS, "crm.zoho.Contacts.edit")
			msg, err := c.Next(jetstream.FetchMaxWait(10 * time.Second))
			if err != nil {
				t.Fatal(err)
			}
			e, err := binding.ToEvent(t.Context(), nats_jetstream.NewMessage(&nats.Msg{Header: msg.Headers(), Data: msg.Data()}))
			if err != nil {
				t.Fatal(err)
			}
			if err := e.Validate(); err != nil {
				t.Error(err)
			}
			if e.ID() != a.Events[0].ID || e.Type() != "crm.zoho.Contacts.edit" || e.Source() != "https://www.zohoapis.com.cn/crm/v2/Contacts" || e.Subject() != "1000000033163" {
				t.Errorf("event %s", e)
			}
			if strings.Contains(string(msg.Data()), "TOKEN_FOR_VERIFICATION") {
				t.Errorf("the token reached the stream: %s", msg.Data())
			}
		})
	}
}

// One event for each record: each has its subject and its place in the answer.
func TestPerRecord(t *testing.T) {
	b := start(t, t.TempDir(), documentedToken, "BRIDGE_EVENT_PER=record", "BRIDGE_SUBJECT_PREFIX=sales", "BRIDGE_STREAM=SALES")
	a := post(t, b.Callbacks+path, strings.Replace(documented, `"1000000033163"`, `"1","2","3"`, 1))
	if a.Status != 200 || len(a.Events) != 3 || a.Events[2].Sequence != 3 || a.Events[0].Subject != "sales.zoho.Contacts.edit" || a.Events[0].Stream != "SALES" {
		t.Errorf("answered %d %s", a.Status, a.Text)
	}
}

// What is answered with 400 waits in quarantine, without its secrets; the log, the metrics and the answers show none.
func TestMalformedIsKept(t *testing.T) {
	b := start(t, t.TempDir(), documentedToken)
	a := post(t, b.Callbacks+path, strings.Replace(documented, `"Contacts"`, `"Con.tacts"`, 1))
	if a.Status != 400 || a.QuarantineID == "" || !strings.Contains(a.Text, "module") {
		t.Fatalf("answered %d %s", a.Status, a.Text)
	}
	_, js := consumer(t, b.NATS, "crm.>")
	stream, err := js.Stream(t.Context(), "CRM_QUARANTINE")
	if err != nil {
		t.Fatal(err)
	}
	kept, err := stream.GetMsg(t.Context(), 1)
	if err != nil {
		t.Fatal(err)
	}
	if kept.Subject != "crm-quarantine.zoho-notifications" || !strings.Contains(string(kept.Data), a.QuarantineID) {
		t.Errorf("kept as %s: %s", kept.Subject, kept.Data)
	}
	if a := post(t, b.Callbacks+path, strings.Replace(documented, "TOKEN_FOR", "FORGED_FOR", 1)); a.Status != 401 {
		t.Errorf("a forgery was answered %d", a.Status)
	}
	_, metrics := get(t, b.Admin+"/metrics")
	for _, want := range []string{
		`crm_bridge_callbacks_total{outcome="malformed",source="zoho-notifications"} 1`, `crm_bridge_callbacks_total{outcome="forged",source="zoho-notifications"} 1`,
		`crm_bridge_quarantined_total{source="zoho-notifications"} 1`, `crm_bridge_publish_batch_size_count 0`,
	} {
		if !strings.Contains(metrics, want) {
			t.Errorf("no metric %s", want)
		}
	}
	for where, text := range map[string]string{"quarantine": string(kept.Data), "log": b.Log(), "metrics": metrics, "answer": a.Text} {
		if strings.Contains(text, "TOKEN_FOR_VERIFICATION_OF_1000000000045") {
			t.Errorf("the %s shows the token: %s", where, text)
		}
	}
}

// With nothing configured the bridge and send work together at once, and nobody else gets in.
func TestNothingConfigured(t *testing.T) {
	dir := t.TempDir()
	b := start(t, dir)
	if a := post(t, b.Callbacks+path, documented); a.Status != 401 {
		t.Errorf("a stranger was answered %d", a.Status)
	}
	run := func(args ...string) string {
		cmd := exec.Command(program, args...)
		cmd.Env = append(environment(dir), "BRIDGE_LISTEN="+strings.TrimPrefix(b.Callbacks, "http://"), "BRIDGE_NATS_LISTEN="+strings.TrimPrefix(b.NATS, "nats://"),
			"BRIDGE_ADMIN_LISTEN="+strings.TrimPrefix(b.Admin, "http://"))
		out, err := cmd.Output()
		if err != nil {
			t.Fatalf("%v: %v %s", args, err, out)
		}
		return string(out)
	}
	if out := run("send", "--module", "Deals", "--count", "3"); strings.Count(out, `"status":200`) != 3 {
		t.Errorf("send printed %s", out)
	}
	if out := run("tail", "crm.zoho.Deals.*", "--since", "1h", "--count", "3"); strings.Count(out, `"subject":"crm.zoho.Deals.edit"`) != 3 {
		t.Errorf("tail printed %s", out)
	}
	if out := run("check"); !strings.Contains(out, `"ready":true`) || !strings.Contains(out, "fsynced") {
		t.Errorf("check printed %s", out)
	}
	if status, text := get(t, b.Callbacks+"/schemas/v1/zoho-notifications.json"); status != 200 || !json.Valid([]byte(text)) {
		t.Errorf("the schema was answered %d", status)
	}
	if status, _ := get(t, b.Callbacks+"/metrics"); status != 404 {
		t.Errorf("the public address answers /metrics with %d", status)
	}
}

// A second bridge on the folder of the first says at once what it waits for, and after half a minute ends with a sentence that says what to
// do.
func TestSecondProcess(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	start(t, dir)
	cmd := exec.Command(program)
	cmd.Env = environment(dir)
	began := time.Now()
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState.ExitCode() != 1 || !strings.Contains(string(out), "waiting until it has stopped") || !strings.Contains(string(out), "in use by another crm-bridge") || strings.Count(string(out), "\n") != 2 {
		t.Errorf("%v: %s", err, out)
	}
	if took := time.Since(began); took < 25*time.Second {
		t.Errorf("it gave up after %s", took)
	}
}

// The successor of a bridge that still drains starts when that one has stopped, without being started again: so it is where a pod was
// deleted by force.
func TestSuccessorWaitsForTheFolder(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	first := start(t, dir, documentedToken, "BRIDGE_DRAIN_DELAY=2s")
	if a := post(t, first.Callbacks+path, documented); a.Status != 200 {
		t.Fatalf("answered %d %s", a.Status, a.Text)
	}
	if err := first.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	second := start(t, dir, documentedToken)
	if err := <-first.exited; err != nil {
		t.Errorf("the first ended with %v", err)
	}
	if a := post(t, second.Callbacks+path, documented); a.Status != 200 || !strings.Contains(second.Log(), "waiting until it has stopped") {
		t.Errorf("the second answered %d %s, and logged %s", a.Status, a.Text, second.Log())
	}
}

// load posts distinct notifications from several connections until end is closed, and returns the ids that were
// answered with 200.
func load(url string, connections int, end <-chan struct{}) (accepted func() []string) {
	var mu sync.Mutex
	var all []string
	var wait sync.WaitGroup
	var next atomic.Int64
	for range connections {
		wait.Go(func() {
			for {
				select {
				case <-end:
					return
				default:
				}
				body := strings.Replace(documented, `"channel_id"`, fmt.Sprintf(`"server_time":%d,"channel_id"`, 1718115953625+next.Add(1)), 1)
				a, err := tryPost(url, body)
				if err != nil {
					return
				}
				if a.Status == 200 {
					mu.Lock()
					all = append(all, a.Events[0].ID)
					mu.Unlock()
				}
			}
		})
	}
	return func() []string {
		wait.Wait()
		return all
	}
}

// Whatever ends the bridge under load, every event that was answered with 200 is in the stream, once.
func TestAnsweredIsKept(t *testing.T) {
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		t.Run(signal.String(), func(t *testing.T) {
			dir := t.TempDir()
			b := start(t, dir, documentedToken)
			end := make(chan struct{})
			accepted := load(b.Callbacks+path, 16, end)
			waitFor(t, func() bool { return strings.Count(b.Log(), "callback accepted") > 300 })
			err := b.stop(t, signal)
			close(end)
			answered := accepted()
			if signal == syscall.SIGTERM && err != nil {
				t.Errorf("ended with %v:\n%s", err, last(b.Log()))
			}
			b = start(t, dir, documentedToken)
			stored := ids(t, b.NATS)
			for _, id := range answered {
				if stored[id] != 1 {
					t.Errorf("%s was answered with 200 and is %d times in the stream", id, stored[id])
				}
			}
			if len(answered) < 300 {
				t.Errorf("only %d were answered", len(answered))
			}
		})
	}
}

// During the drain delay the bridge says that it is not ready and still answers; then it ends well.
func TestDrainDelay(t *testing.T) {
	t.Parallel()
	b := start(t, t.TempDir(), documentedToken, "BRIDGE_DRAIN_DELAY=2s")
	if status, text := get(t, b.Admin+"/readyz"); status != 200 {
		t.Fatalf("not ready: %s", text)
	}
	if err := b.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool { status, _ := get(t, b.Admin+"/readyz"); return status == 503 })
	if status, _ := get(t, b.Admin+"/healthz"); status != 200 {
		t.Errorf("not healthy while draining: %d", status)
	}
	if a := post(t, b.Callbacks+path, documented); a.Status != 200 {
		t.Errorf("answered %d during the delay", a.Status)
	}
	if err := <-b.exited; err != nil {
		t.Errorf("ended with %v", err)
	}
}

func waitFor(t *testing.T, happened func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); !happened(); {
		if time.Now().After(deadline) {
			t.Fatal("it did not happen within a minute")
		}
		<-time.After(10 * time.Millisecond)
	}
}

func last(log string) string { return log[max(0, len(log)-2000):] }
