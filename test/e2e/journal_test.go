package e2e

import (
	"fmt"
	"net"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// distinct is the documented notification about a record of its own.
func distinct(i int) string {
	return strings.Replace(documented, "1000000033163", fmt.Sprintf("90000000%05d", i), 1)
}

// restart starts another server on the address and the store of one that has ended.
func restart(t *testing.T, address, store string) *server.Server {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	port, err := strconv.Atoi(u.Port())
	if err != nil {
		t.Fatal(err)
	}
	return openRemote(t, store, port)
}

func metric(t *testing.T, b *bridge, name string) string {
	t.Helper()
	_, text := get(t, b.Admin+"/metrics")
	for line := range strings.Lines(text) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			return strings.TrimSpace(value)
		}
	}
	t.Fatalf("there is no metric %s", name)
	return ""
}

// With a journal callbacks are answered whether the remote NATS is there or not, even at the start and through kill -9 of
// the bridge. When it comes, it gets all of them, in order, and what is in quarantine too.
func TestJournal(t *testing.T) {
	store, dir := t.TempDir(), t.TempDir()
	remote := openRemote(t, store, -1)
	to := "BRIDGE_NATS_URL=" + remote.ClientURL()
	remote.Shutdown()
	remote.WaitForShutdown()

	b := start(t, dir, documentedToken, to)
	if a := post(t, b.Callbacks+path, distinct(1)); a.Status != 200 || a.Events[0].Stream != "CRM_JOURNAL" || a.Events[0].Subject != "crm.zoho.Contacts.edit" {
		t.Fatalf("answered %d %s", a.Status, a.Text)
	}
	bad := post(t, b.Callbacks+path, strings.Replace(documented, `"Contacts"`, `"Con.tacts"`, 1))
	if bad.Status != 400 || bad.QuarantineID == "" {
		t.Fatalf("answered %d %s", bad.Status, bad.Text)
	}
	waitFor(t, func() bool { // its first attempt to reach the remote has failed
		_, ready := get(t, b.Admin+"/readyz")
		return strings.Contains(ready, "forwarding is interrupted")
	})
	status, ready := get(t, b.Admin+"/readyz")
	if status != 200 || !strings.Contains(ready, `"journalPending":2`) || !strings.Contains(ready, "fsynced to") || !strings.Contains(ready, "forwarding is interrupted") {
		t.Errorf("/readyz says %d %s", status, ready)
	}
	if metric(t, b, "crm_bridge_journal_pending") != "2" || metric(t, b, "crm_bridge_journal_oldest_seconds") == "0" {
		t.Errorf("%s pending since %s s", metric(t, b, "crm_bridge_journal_pending"), metric(t, b, "crm_bridge_journal_oldest_seconds"))
	}
	if out, code := command(t, b, dir, "quarantine", "list"); code != 1 || !strings.Contains(out, "forwarding is interrupted") {
		t.Errorf("quarantine list ended with %d: %s", code, out)
	}
	_ = b.stop(t, syscall.SIGKILL)

	b = start(t, dir, documentedToken, to)
	for i := 2; i <= 50; i++ {
		if a := post(t, b.Callbacks+path, distinct(i)); a.Status != 200 {
			t.Fatalf("answered %d %s", a.Status, a.Text)
		}
	}
	remote = restart(t, remote.ClientURL(), store)
	waitFor(t, func() bool { return metric(t, b, "crm_bridge_journal_pending") == "0" })
	if metric(t, b, "crm_bridge_journal_oldest_seconds") != "0" {
		t.Errorf("the oldest of none waits %s s", metric(t, b, "crm_bridge_journal_oldest_seconds"))
	}
	waitFor(t, func() bool { return strings.Contains(b.Log(), "one replica") })
	c, js := consumer(t, remote.ClientURL(), "crm.>")
	for i := 1; i <= 50; i++ {
		msg, err := c.Next(jetstream.FetchMaxWait(10 * time.Second))
		if err != nil {
			t.Fatal(err)
		}
		if want := fmt.Sprintf("90000000%05d", i); !strings.Contains(string(msg.Data()), want) {
			t.Fatalf("event %d is %s", i, msg.Data())
		}
		if msg.Headers().Get(nats.MsgIdHdr) == "" {
			t.Error("an event has no Nats-Msg-Id")
		}
	}
	if stream, err := js.Stream(t.Context(), "CRM_QUARANTINE"); err != nil || stream.CachedInfo().State.Msgs != 1 {
		t.Errorf("the remote's quarantine: %v %+v", err, stream)
	}
	if out, code := command(t, b, dir, "quarantine", "list"); code != 0 || !strings.Contains(out, bad.QuarantineID) {
		t.Errorf("quarantine list ended with %d: %s", code, out)
	}
	if err := b.stop(t, syscall.SIGTERM); err != nil {
		t.Errorf("ended with %v", err)
	}
	b = start(t, dir, documentedToken, to)
	if metric(t, b, "crm_bridge_journal_pending") != "0" || len(ids(t, remote.ClientURL())) != 50 {
		t.Error("a restart brought something back")
	}
}

// What the remote refuses for good is listed, shown, sent again and dropped like a quarantined callback.
func TestRefusedEvents(t *testing.T) {
	remote := openRemote(t, t.TempDir(), -1)
	dir := t.TempDir()
	b := start(t, dir, documentedToken, "BRIDGE_NATS_URL="+remote.ClientURL())
	if a := post(t, b.Callbacks+path, distinct(1)); a.Status != 200 {
		t.Fatalf("answered %d %s", a.Status, a.Text)
	}
	waitFor(t, func() bool { return metric(t, b, "crm_bridge_journal_pending") == "0" })
	_, js := consumer(t, remote.ClientURL(), "crm.>")
	limit := func(size int32) {
		t.Helper()
		stream, err := js.Stream(t.Context(), "CRM")
		if err != nil {
			t.Fatal(err)
		}
		config := stream.CachedInfo().Config
		config.MaxMsgSize = size
		if _, err := js.UpdateStream(t.Context(), config); err != nil {
			t.Fatal(err)
		}
	}
	limit(100)
	refused := post(t, b.Callbacks+path, distinct(2)).Events[0].ID
	waitFor(t, func() bool { return metric(t, b, "crm_bridge_refused_total") == "1" })
	limit(-1)
	if a := post(t, b.Callbacks+path, distinct(3)); a.Status != 200 {
		t.Fatalf("answered %d %s", a.Status, a.Text)
	}
	if out, code := command(t, b, dir, "quarantine", "list"); code != 0 || !strings.Contains(out, `"source":"refused"`) || !strings.Contains(out, `"subject":"crm.zoho.Contacts.edit"`) || !strings.Contains(out, "exceeds maximum") {
		t.Errorf("list ended with %d: %s", code, out)
	}
	if out, code := command(t, b, dir, "quarantine", "show", refused); code != 0 || !strings.Contains(out, `"specversion"`) {
		t.Errorf("show ended with %d: %s", code, out)
	}
	if out, code := command(t, b, dir, "quarantine", "redrive", refused); code != 0 || !strings.Contains(out, "CRM_JOURNAL") {
		t.Errorf("redrive ended with %d: %s", code, out)
	}
	waitFor(t, func() bool { return metric(t, b, "crm_bridge_journal_pending") == "0" })
	if got := ids(t, remote.ClientURL()); len(got) != 3 || got[refused] != 1 {
		t.Errorf("the remote holds %v", got)
	}
	if out, code := command(t, b, dir, "quarantine", "list"); code != 0 || out != "" {
		t.Errorf("afterwards list ended with %d: %s", code, out)
	}
}

// A full journal answers 503 and drops nothing; when the remote has taken what is in it, callbacks are answered again.
func TestFullJournal(t *testing.T) {
	store := t.TempDir()
	remote := openRemote(t, store, -1)
	remote.Shutdown()
	remote.WaitForShutdown()
	b := start(t, t.TempDir(), documentedToken, "BRIDGE_NATS_URL="+remote.ClientURL(), "BRIDGE_JOURNAL_MAX_BYTES=100KiB")
	answered := 0
	for {
		a := post(t, b.Callbacks+path, distinct(answered+1))
		if a.Status == 503 && a.Header.Get("Retry-After") != "" {
			break
		}
		if a.Status != 200 || answered > 200 {
			t.Fatalf("after %d answered %d %s", answered, a.Status, a.Text)
		}
		answered++
	}
	remote = restart(t, remote.ClientURL(), store)
	waitFor(t, func() bool { return post(t, b.Callbacks+path, distinct(answered+1)).Status == 200 })
	waitFor(t, func() bool { return metric(t, b, "crm_bridge_journal_pending") == "0" })
	if got := len(ids(t, remote.ClientURL())); got != answered+1 {
		t.Errorf("of %d answered events the remote holds %d", answered+1, got)
	}
}

// With a remote nobody reaches the local server.
func TestJournalIsPrivate(t *testing.T) {
	address := "127.0.0.1:" + freePort(t)
	remote := openRemote(t, t.TempDir(), -1)
	start(t, t.TempDir(), documentedToken, "BRIDGE_NATS_URL="+remote.ClientURL(), "BRIDGE_NATS_LISTEN="+address)
	if conn, err := net.Dial("tcp", address); err == nil {
		_ = conn.Close()
		t.Errorf("something answers at %s", address)
	}
}
