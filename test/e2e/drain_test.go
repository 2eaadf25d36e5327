package e2e

import (
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"
)

// A client that keeps its connection is sent on to another one during the drain, with its answer: it loses no callback to a
// connection that is closed just when it sends.
func TestDrainSendsClientsOn(t *testing.T) {
	t.Parallel()
	b := start(t, t.TempDir(), documentedToken, "BRIDGE_DRAIN_DELAY=2s")
	closes := func() bool {
		t.Helper()
		response, err := http.Post(b.Callbacks+path, "application/json", strings.NewReader(documented))
		if err != nil {
			t.Fatal(err)
		}
		if response.StatusCode != 200 {
			t.Fatalf("answered %d", response.StatusCode)
		}
		_ = response.Body.Close()
		return response.Close
	}
	if closes() {
		t.Error("a bridge that is ready closes connections")
	}
	began := time.Now()
	if err := b.cmd.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool { status, _ := get(t, b.Admin+"/readyz"); return status == 503 })
	if !closes() {
		t.Error("a bridge that drains keeps the connection of a client")
	}
	if err := <-b.exited; err != nil || time.Since(began) < 2*time.Second {
		t.Errorf("ended after %s with %v", time.Since(began), err)
	}
}

// Whoever ends a bridge for good is told what its folder still holds for a remote that is away, and nothing where it is empty.
func TestEndTellsOfWhatWaits(t *testing.T) {
	store, dir := t.TempDir(), t.TempDir()
	remote := openRemote(t, store, -1)
	remote.Shutdown()
	remote.WaitForShutdown()
	env := []string{documentedToken, "BRIDGE_NATS_URL=" + remote.ClientURL()}
	end := func(b *bridge) string {
		t.Helper()
		if err := b.stop(t, syscall.SIGTERM); err != nil {
			t.Errorf("ended with %v", err)
		}
		return b.Log()
	}
	b := start(t, dir, env...)
	if a := post(t, b.Callbacks+path, documented); a.Status != 200 {
		t.Fatalf("answered %d %s", a.Status, a.Text)
	}
	if log := end(b); !strings.Contains(log, `events wait in the journal`) || !strings.Contains(log, `"events":1,"folder":"`+dir) {
		t.Errorf("the log ends with %s", last(log))
	}
	restart(t, remote.ClientURL(), store)
	b = start(t, dir, env...)
	waitFor(t, func() bool { return metric(t, b, "crm_bridge_journal_pending") == "0" })
	if log := end(b); strings.Contains(log, "wait in the journal") {
		t.Errorf("the log ends with %s", last(log))
	}
}
