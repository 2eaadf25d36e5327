package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"
)

const direct = "BRIDGE_DELIVERY=direct"

// malformed is a notification that authenticates and cannot be parsed.
var malformed = strings.Replace(documented, `"Contacts"`, `"Con.tacts"`, 1)

// ready waits until /readyz answers with a status, and returns its text and how long that took.
func ready(t *testing.T, b *bridge, want int) (text string, took time.Duration) {
	t.Helper()
	began := time.Now()
	waitFor(t, func() bool {
		status, says := get(t, b.Admin+"/readyz")
		text = says
		return status == want
	})
	return text, time.Since(began)
}

func end(s *server.Server) {
	s.Shutdown()
	s.WaitForShutdown()
}

// With direct delivery a bridge starts without its NATS: it is not ready and says why, callbacks are answered 503, and
// nothing of them appears later. It is ready as soon as NATS is.
func TestDirectStartsWithoutNATS(t *testing.T) {
	store := t.TempDir()
	remote := openRemote(t, store, -1)
	end(remote)
	b := start(t, t.TempDir(), documentedToken, direct, "BRIDGE_ANSWER_TIMEOUT=300ms", "BRIDGE_NATS_URL="+remote.ClientURL())
	text, _ := ready(t, b, 503)
	if !strings.Contains(text, "unreachable") || !strings.Contains(text, "could not be reached yet") || strings.Contains(text, "dial tcp") {
		t.Errorf("/readyz says %s", text)
	}
	if a := post(t, b.Callbacks+path, distinct(1)); a.Status != 503 || a.Header.Get("Retry-After") == "" {
		t.Errorf("answered %d %s", a.Status, a.Text)
	}
	if a := post(t, b.Callbacks+path, malformed); a.Status != 503 {
		t.Errorf("what cannot be kept was answered %d %s", a.Status, a.Text)
	}
	restart(t, remote.ClientURL(), store)
	text, took := ready(t, b, 200)
	if took > 3*time.Second || !strings.Contains(text, "1 replica(s), file storage") {
		t.Errorf("after %s /readyz says %s", took, text)
	}
	if a := post(t, b.Callbacks+path, distinct(2)); a.Status != 200 || a.Events[0].Sequence != 1 {
		t.Errorf("answered %d %s", a.Status, a.Text)
	}
	if err := b.stop(t, syscall.SIGTERM); err != nil {
		t.Errorf("ended with %v", err)
	}
}

// A callback that comes while NATS restarts is answered 200 when it is back within the answer timeout, also where it has lost
// its disk, and its event is stored once.
func TestDirectWaitsForNATS(t *testing.T) {
	store := t.TempDir()
	remote := openRemote(t, store, -1)
	b := start(t, t.TempDir(), documentedToken, direct, "BRIDGE_ANSWER_TIMEOUT=10s", "BRIDGE_NATS_URL="+remote.ClientURL())
	for i, lose := range []bool{false, true} {
		end(remote)
		answered := make(chan answer, 1)
		go func() {
			a, _ := tryPost(b.Callbacks+path, distinct(i))
			answered <- a
		}()
		ready(t, b, 503)
		if lose {
			if err := os.RemoveAll(filepath.Join(store, "jetstream")); err != nil {
				t.Fatal(err)
			}
		}
		remote = restart(t, remote.ClientURL(), store)
		if a := <-answered; a.Status != 200 || a.Events[0].Duplicate || a.Events[0].Sequence != 1 {
			t.Errorf("lost its disk %t: answered %d %s", lose, a.Status, a.Text)
		}
		if got := ids(t, remote.ClientURL()); len(got) != 1 {
			t.Errorf("the stream holds %v", got)
		}
		ready(t, b, 200)
	}
}

// Streams that are deleted are made again by the next callback, which is answered as if nothing had been.
func TestDirectRemakesStreams(t *testing.T) {
	remote := openRemote(t, t.TempDir(), -1)
	b := start(t, t.TempDir(), documentedToken, direct, "BRIDGE_NATS_URL="+remote.ClientURL())
	if a := post(t, b.Callbacks+path, distinct(1)); a.Status != 200 {
		t.Fatalf("answered %d %s", a.Status, a.Text)
	}
	_, js := consumer(t, remote.ClientURL(), "crm.>")
	for _, stream := range []string{"CRM", "CRM_QUARANTINE"} {
		if err := js.DeleteStream(t.Context(), stream); err != nil {
			t.Fatal(err)
		}
	}
	if a := post(t, b.Callbacks+path, distinct(2)); a.Status != 200 || a.Events[0].Sequence != 1 {
		t.Errorf("answered %d %s", a.Status, a.Text)
	}
	if err := js.DeleteStream(t.Context(), "CRM_QUARANTINE"); err != nil {
		t.Fatal(err)
	}
	if a := post(t, b.Callbacks+path, malformed); a.Status != 400 || a.QuarantineID == "" {
		t.Errorf("answered %d %s", a.Status, a.Text)
	}
	if err := js.DeleteStream(t.Context(), "CRM"); err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool { // /readyz finds out by itself
		_, err := js.Stream(t.Context(), "CRM")
		status, _ := get(t, b.Admin+"/readyz")
		return err == nil && status == 200
	})
}

// A NATS without JetStream is named as such, and used as soon as it has it.
func TestJetStreamIsOff(t *testing.T) {
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: -1, NoSigs: true, NoLog: true})
	if err != nil {
		t.Fatal(err)
	}
	go s.Start()
	if !s.ReadyForConnections(10 * time.Second) {
		t.Fatal("it does not start")
	}
	t.Cleanup(s.Shutdown)
	says := "BRIDGE_NATS_URL: server " + s.ClientURL() + " has JetStream disabled for this account; enable it or use another account"
	b := start(t, t.TempDir(), documentedToken, direct, "BRIDGE_NATS_URL="+s.ClientURL())
	if text, _ := ready(t, b, 503); !strings.Contains(text, says) || !strings.Contains(b.Log(), says) {
		t.Errorf("/readyz says %s, and the log %s", text, b.Log())
	}
	journal := start(t, t.TempDir(), documentedToken, "BRIDGE_NATS_URL="+s.ClientURL())
	waitFor(t, func() bool { return strings.Contains(journal.Log(), says) })
	end(s)
	remote := restart(t, s.ClientURL(), t.TempDir())
	ready(t, b, 200)
	if a := post(t, b.Callbacks+path, distinct(1)); a.Status != 200 || len(ids(t, remote.ClientURL())) != 1 {
		t.Errorf("answered %d %s", a.Status, a.Text)
	}
}

// A bridge that becomes direct names the journal that it leaves behind, and how much waits in it; one that is empty is not
// worth a word.
func TestDirectNamesJournals(t *testing.T) {
	store, dir := t.TempDir(), t.TempDir()
	remote := openRemote(t, store, -1)
	to := "BRIDGE_NATS_URL=" + remote.ClientURL()
	b := start(t, dir, documentedToken, to)
	_ = post(t, b.Callbacks+path, distinct(0))
	waitFor(t, func() bool { return metric(t, b, "crm_bridge_journal_pending") == "0" })
	if err := b.stop(t, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	b = start(t, dir, documentedToken, direct, to)
	if _, text := get(t, b.Admin+"/readyz"); strings.Contains(text, "JOURNAL") || strings.Contains(b.Log(), "JOURNAL") {
		t.Errorf("an empty journal is named: %s", text)
	}
	_ = b.stop(t, syscall.SIGTERM)
	end(remote)
	for _, signal := range []syscall.Signal{syscall.SIGTERM, syscall.SIGKILL} {
		b = start(t, dir, documentedToken, to)
		_ = post(t, b.Callbacks+path, distinct(1))
		_ = b.stop(t, signal)
		events := map[syscall.Signal]string{syscall.SIGTERM: "holds events (1)", syscall.SIGKILL: "may hold events"}[signal]
		b = start(t, dir, documentedToken, direct, to)
		_, text := get(t, b.Admin+"/readyz")
		for where, says := range map[string]string{"/readyz": text, "log": b.Log()} {
			if !strings.Contains(says, filepath.Join(dir, "jetstream", "$G", "streams", "CRM_JOURNAL")) || !strings.Contains(says, events) {
				t.Errorf("after %s the %s says %s", signal, where, says)
			}
		}
		_ = b.stop(t, syscall.SIGTERM)
	}
}

// A bridge with a journal notes in the shared bucket whether events wait in it, and one that delivers directly names those of
// other folders that hold some.
func TestDirectNamesJournalsElsewhere(t *testing.T) {
	remote := openRemote(t, t.TempDir(), -1)
	to := "BRIDGE_NATS_URL=" + remote.ClientURL()
	folder := t.TempDir()
	b := start(t, folder, documentedToken, to)
	_, js := consumer(t, remote.ClientURL(), "crm.>")
	var note *jetstream.RawStreamMsg
	noted := func(want string) {
		t.Helper()
		waitFor(t, func() bool {
			stream, err := js.Stream(t.Context(), "KV_CRM_STATE")
			if err != nil {
				return false
			}
			note, err = stream.GetLastMsgForSubject(t.Context(), "$KV.CRM_STATE.journal.>")
			return err == nil && strings.Contains(string(note.Data), want)
		})
	}
	noted(folder)
	if err := b.stop(t, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	noted(`"pending":0,"closed":true`)
	left := strings.Replace(string(note.Data), `"pending":0`, `"pending":7`, 1)
	if _, err := js.Publish(t.Context(), "$KV.CRM_STATE.journal.another", []byte(left)); err != nil {
		t.Fatal(err)
	}
	b = start(t, t.TempDir(), documentedToken, direct, to)
	waitFor(t, func() bool {
		_, text := get(t, b.Admin+"/readyz")
		return strings.Contains(text, folder) && strings.Contains(text, "holds events (7)") && strings.Count(text, "the journal in folder") == 1 && strings.Contains(b.Log(), folder)
	})
}
