package e2e

import (
	"encoding/json"
	"os/exec"
	"strings"
	"testing"
)

const roundtripToken = "BRIDGE_ZOHO_TOKENS=*:a-token-of-the-roundtrip"

// elsewhere runs a command where no bridge ever ran, such as in a pod that tests one.
func elsewhere(t *testing.T, env []string, args ...string) (out string, code int) {
	t.Helper()
	cmd := exec.Command(program, args...)
	cmd.Env = append(environment(t.TempDir()), env...)
	text, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return string(text), cmd.ProcessState.ExitCode()
}

// travels requires that a roundtrip came back, with an event of a module that no CRM has.
func travels(t *testing.T, out string, code int, kind, subject string) {
	t.Helper()
	var got struct {
		Kind, Subject, ID, Stream string
		Sequence                  uint64
		InMs, BackMs              float64
	}
	if err := json.Unmarshal([]byte(out), &got); err != nil || code != 0 {
		t.Fatalf("ended with %d: %s", code, out)
	}
	if got.Kind != kind || got.Subject != subject || got.ID == "" || got.Stream != "CRM" || got.Sequence == 0 || got.InMs <= 0 || got.BackMs <= 0 {
		t.Errorf("it says %+v", got)
	}
}

// A roundtrip finds its event behind others, on the machine of the bridge with nothing configured, and from another one
// with the secret of a source and a user who may only read.
func TestRoundtrip(t *testing.T) {
	dir := t.TempDir()
	b := start(t, dir)
	here := []string{"BRIDGE_DATA_DIR=" + dir, "BRIDGE_LISTEN=" + strings.TrimPrefix(b.Callbacks, "http://"), "BRIDGE_NATS_LISTEN=" + strings.TrimPrefix(b.NATS, "nats://")}
	for range 2 {
		out, code := elsewhere(t, here, "check", "--roundtrip")
		travels(t, out, code, "zoho-notifications", "crm.zoho.BridgeTest.edit")
	}
	away := start(t, t.TempDir(), roundtripToken, "BRIDGE_NATS_LISTEN_USER=reader", "BRIDGE_NATS_LISTEN_PASSWORD=the-password-of-readers")
	out, code := elsewhere(t, []string{roundtripToken, "BRIDGE_NATS_URL=" + away.NATS, "BRIDGE_NATS_USER=reader", "BRIDGE_NATS_PASSWORD=the-password-of-readers"},
		"check", "--roundtrip", "--url", away.Callbacks)
	travels(t, out, code, "zoho-notifications", "crm.zoho.BridgeTest.edit")
}

// Where only one source has a secret, its proof is used.
func TestRoundtripOfOtherSources(t *testing.T) {
	remote := openRemote(t, t.TempDir(), -1)
	for _, test := range []struct{ secret, kind, subject string }{
		{"BRIDGE_ZOHO_WEBHOOK_SECRET=a-secret-of-webhooks", "zoho-webhooks", "crm.zoho.BridgeTest.edit"},
		{"BRIDGE_BITRIX24_WORKFLOW_SECRET=a-secret-of-workflows", "bitrix24-workflows", "crm.bitrix24.BridgeTest.edit"},
		{"BRIDGE_BITRIX24_TOKENS=a223c6b3710f85df22e9377d6c4f7553:a-token-of-a-portal", "bitrix24-events", "crm.bitrix24.Bridgetest.edit"},
	} {
		env := []string{test.secret, "BRIDGE_NATS_URL=" + remote.ClientURL(), "BRIDGE_DELIVERY=direct"}
		b := start(t, t.TempDir(), env...)
		out, code := elsewhere(t, env, "check", "--roundtrip", "--url", b.Callbacks)
		travels(t, out, code, test.kind, test.subject)
	}
}

// With a journal the way back ends at the remote NATS. While that is away the sentence says that the way in works; a
// roundtrip that is under way when it comes back comes to its end.
func TestRoundtripThroughJournal(t *testing.T) {
	t.Parallel()
	store := t.TempDir()
	remote := openRemote(t, store, -1)
	env := []string{roundtripToken, "BRIDGE_NATS_URL=" + remote.ClientURL()}
	b := start(t, t.TempDir(), env...)
	out, code := elsewhere(t, env, "check", "--roundtrip", "--url", b.Callbacks)
	travels(t, out, code, "zoho-notifications", "crm.zoho.BridgeTest.edit")

	remote.Shutdown()
	remote.WaitForShutdown()
	out, code = elsewhere(t, env, "check", "--roundtrip", "--url", b.Callbacks, "--timeout", "1s")
	if code != 1 || !strings.Contains(out, "the test callback was answered in") || !strings.Contains(out, "was not read from stream") || !strings.Contains(out, "connect") || strings.Count(out, "\n") != 1 {
		t.Errorf("ended with %d: %s", code, out)
	}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		out, code = elsewhere(t, env, "check", "--roundtrip", "--url", b.Callbacks, "--timeout", "30s")
	}()
	waitFor(t, func() bool { return metric(t, b, "crm_bridge_journal_pending") == "2" })
	restart(t, remote.ClientURL(), store)
	<-ended
	travels(t, out, code, "zoho-notifications", "crm.zoho.BridgeTest.edit")
}

// What fails on the way in is said as such, and shows no secret.
func TestRoundtripThatFailsOnTheWayIn(t *testing.T) {
	store := t.TempDir()
	remote := openRemote(t, store, -1)
	nats := "BRIDGE_NATS_URL=" + remote.ClientURL()
	b := start(t, t.TempDir(), roundtripToken, nats, "BRIDGE_DELIVERY=direct", "BRIDGE_ANSWER_TIMEOUT=500ms")
	fails := func(want, secret, url string) {
		t.Helper()
		out, code := elsewhere(t, []string{secret, nats}, "check", "--roundtrip", "--url", url, "--timeout", "5s")
		if code != 1 || !strings.Contains(out, "sending the test callback failed") || !strings.Contains(out, want) || strings.Count(out, "\n") != 1 || strings.Contains(out, "of-the-roundtrip") {
			t.Errorf("ended with %d: %s", code, out)
		}
	}
	fails("401", "BRIDGE_ZOHO_TOKENS=*:another-token-of-the-roundtrip", b.Callbacks)
	fails("not as crm-bridge does", roundtripToken, b.Admin)
	fails("***@127.0.0.1:1 does not answer", roundtripToken, "http://somebody:password-of-the-roundtrip@127.0.0.1:1")
	remote.Shutdown()
	remote.WaitForShutdown()
	fails("503", roundtripToken, b.Callbacks)
}
