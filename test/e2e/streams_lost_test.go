package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// A bridge for whose quarantine the remote has no room is not ready and says why, with a journal as without; events are
// answered all the same.
func TestQuarantineThatCannotBeMade(t *testing.T) {
	for _, delivery := range []string{"journal", "direct"} {
		t.Run(delivery, func(t *testing.T) {
			t.Parallel()
			remote := openRemote(t, t.TempDir(), -1)
			limit := func(streams int) {
				t.Helper()
				limits := server.JetStreamAccountLimits{MaxMemory: -1, MaxStore: -1, MaxStreams: streams, MaxConsumers: -1, MaxAckPending: -1, MemoryMaxStreamBytes: -1, StoreMaxStreamBytes: -1}
				if err := remote.GlobalAccount().UpdateJetStreamLimits(map[string]server.JetStreamAccountLimits{"": limits}); err != nil {
					t.Fatal(err)
				}
			}
			limit(1)
			b := start(t, t.TempDir(), documentedToken, "BRIDGE_DELIVERY="+delivery, "BRIDGE_ANSWER_TIMEOUT=500ms", "BRIDGE_STREAM_MAX_BYTES=1GiB", "BRIDGE_NATS_URL="+remote.ClientURL())
			text := ""
			waitFor(t, func() bool {
				_, text = get(t, b.Admin+"/readyz")
				return strings.Contains(text, "CRM_QUARANTINE")
			})
			if text, _ = ready(t, b, 503); !strings.Contains(text, "maximum number of streams reached") {
				t.Errorf("/readyz says %s", text)
			}
			if delivery == "journal" {
				if a := post(t, b.Callbacks+path, malformed); a.Status != 400 || a.QuarantineID == "" {
					t.Errorf("answered %d %s", a.Status, a.Text)
				}
				if a := post(t, b.Callbacks+path, distinct(1)); a.Status != 200 {
					t.Errorf("answered %d %s", a.Status, a.Text)
				}
				waitFor(t, func() bool { return metric(t, b, "crm_bridge_journal_pending") == "0" })
			}
			limit(-1)
			ready(t, b, 200)
			if delivery == "journal" { // what was set aside has arrived
				_, js := consumer(t, remote.ClientURL(), "crm.>")
				waitFor(t, func() bool {
					stream, err := js.Stream(t.Context(), "CRM_QUARANTINE")
					return err == nil && stream.CachedInfo().State.Msgs == 1
				})
			}
		})
	}
}

// A stream of the embedded server that its owner deletes ends the bridge with an error, for the next start makes it again.
func TestEmbeddedStreamIsDeleted(t *testing.T) {
	for _, stream := range []string{"CRM", "CRM_QUARANTINE"} {
		dir := t.TempDir()
		b := start(t, dir, documentedToken)
		password, err := os.ReadFile(filepath.Join(dir, "nats-password"))
		if err != nil {
			t.Fatal(err)
		}
		_, js := consumer(t, strings.Replace(b.NATS, "nats://", "nats://crm-bridge:"+strings.TrimSpace(string(password))+"@", 1), "crm.>")
		if err := js.DeleteStream(t.Context(), stream); err != nil {
			t.Fatal(err)
		}
		select {
		case err := <-b.exited:
			if err == nil || !strings.Contains(b.Log(), "stream "+stream+" of the embedded server was deleted") {
				t.Errorf("it ended with %v: %s", err, b.Log())
			}
		case <-time.After(20 * time.Second):
			t.Fatal("it goes on without its stream")
		}
		b = start(t, dir, documentedToken)
		if a := post(t, b.Callbacks+path, distinct(1)); a.Status != 200 {
			t.Errorf("after a new start answered %d %s", a.Status, a.Text)
		}
	}
}

// Streams that do not fit end the start where NATS can be reached. Found later, with a journal as without, they make the
// bridge not ready, with the reason, until they are fixed.
func TestStreamsThatDoNotFit(t *testing.T) {
	for _, delivery := range []string{"journal", "direct"} {
		t.Run(delivery, func(t *testing.T) {
			t.Parallel()
			store := t.TempDir()
			remote := openRemote(t, store, -1)
			conn, err := nats.Connect(remote.ClientURL())
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			js, err := jetstream.New(conn)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "OTHER", Subjects: []string{"crm.zoho.>"}}); err != nil {
				t.Fatal(err)
			}
			env := []string{documentedToken, "BRIDGE_DELIVERY=" + delivery, "BRIDGE_NATS_URL=" + remote.ClientURL()}
			cmd := exec.Command(program)
			cmd.Env = append(environment(t.TempDir()), env...)
			if out, err := cmd.CombinedOutput(); err == nil || !strings.Contains(string(out), "BRIDGE_NATS_URL: stream OTHER already holds subjects") {
				t.Errorf("the start ended with %v: %s", err, out)
			}
			end(remote)
			b := start(t, t.TempDir(), env...)
			restart(t, remote.ClientURL(), store)
			waitFor(t, func() bool {
				status, text := get(t, b.Admin+"/readyz")
				return status == 503 && strings.Contains(text, "stream OTHER already holds subjects")
			})
			waitFor(t, func() bool { return js.DeleteStream(t.Context(), "OTHER") == nil })
			ready(t, b, 200)
			if a := post(t, b.Callbacks+path, distinct(1)); a.Status != 200 {
				t.Errorf("answered %d %s", a.Status, a.Text)
			}
		})
	}
}
