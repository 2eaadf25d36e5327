package e2e

import (
	"encoding/json"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/crm-bridge/crm-bridge/publish"
)

// keep stores values in the state of a bridge.
func keep(t *testing.T, js jetstream.JetStream, values map[string]string) jetstream.KeyValue {
	t.Helper()
	bucket, err := js.CreateOrUpdateKeyValue(t.Context(), jetstream.KeyValueConfig{Bucket: "CRM_STATE"})
	if err != nil {
		t.Fatal(err)
	}
	for key, value := range values {
		if _, err := bucket.PutString(t.Context(), key, value); err != nil {
			t.Fatal(err)
		}
	}
	return bucket
}

// value returns a value of a bucket; empty: there is none.
func value(t *testing.T, bucket jetstream.KeyValue, key string) string {
	t.Helper()
	entry, err := bucket.Get(t.Context(), key)
	if err != nil {
		return ""
	}
	return string(entry.Value())
}

// There and back again: the events keep ids and sequences, quarantined callbacks are listed, what the bridge remembers is there without the
// claims of replicas, and the durable consumers are named with the place where they go on.
func TestCopyThereAndBack(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := start(t, dir, documentedToken)
	marked := strings.Replace(documented, `"channel_id"`, `"server_time":1718115953625,"channel_id"`, 1) // its id is repeatable
	for i := range 19 {
		post(t, b.Callbacks+path, distinct(i))
	}
	post(t, b.Callbacks+path, marked)
	post(t, b.Callbacks+path, malformed)
	js := owner(t, b, dir)
	keep(t, js, map[string]string{"backfill.abc": "ranges", "claim.zoho": "a replica", "replay.job": "of the old stream"})
	durable, err := js.CreateConsumer(t.Context(), "CRM", jetstream.ConsumerConfig{Durable: "billing", FilterSubject: "crm.zoho.>", AckPolicy: jetstream.AckExplicitPolicy})
	if err != nil {
		t.Fatal(err)
	}
	batch, err := durable.Fetch(7)
	if err != nil {
		t.Fatal(err)
	}
	for msg := range batch.Messages() {
		if err := msg.DoubleAck(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	was := ids(t, b.NATS)
	if err := b.stop(t, 15); err != nil {
		t.Fatal(err)
	}

	remote := openRemote(t, t.TempDir(), -1)
	to := "BRIDGE_NATS_URL=" + remote.ClientURL()
	env := append(environment(dir), documentedToken)
	there := copies(t, append(env, to), "--from", "embedded")
	if there.code != 0 || !there.complete || there.parts["CRM"].Equal != 20 || there.parts["CRM_QUARANTINE"].Equal != 1 || there.state.Equal != 1 {
		t.Fatalf("%+v", there)
	}
	if secret := "BRIDGE_ZOHO_WEBHOOK_SECRET (" + filepath.Join(dir, "zoho-webhook-secret") + ")"; !strings.Contains(there.next, secret) {
		t.Errorf("%s does not name %s", there.next, secret)
	}
	if len(there.readers) != 1 || there.readers[0].Consumer != "billing" || there.readers[0].AckFloor != 7 || there.readers[0].Start != 8 || there.readers[0].At == nil {
		t.Errorf("%+v", there.readers)
	}
	far := connected(t, remote.ClientURL())
	bucket, err := far.KeyValue(t.Context(), "CRM_STATE")
	if err != nil {
		t.Fatal(err)
	}
	if got := value(t, bucket, "backfill.abc") + value(t, bucket, "claim.zoho") + value(t, bucket, "replay.job"); got != "ranges" {
		t.Errorf("the state is %q", got)
	}
	stream, err := far.Stream(t.Context(), "CRM")
	if err != nil || stream.CachedInfo().Config.Metadata["managed-by"] != "crm-bridge" || !stream.CachedInfo().Config.AllowMsgTTL {
		t.Errorf("%+v, %v", stream.CachedInfo().Config, err)
	}
	msg, err := stream.GetMsg(t.Context(), 1)
	if left, failed := time.ParseDuration(msg.Header.Get("Nats-TTL")); err != nil || failed != nil || left > 720*time.Hour || left < 719*time.Hour {
		t.Errorf("it has %v left: %v, %v", left, err, failed)
	}

	back := filepath.Join(t.TempDir(), "back")
	again := copies(t, append(environment(back), documentedToken, to), "--to", "embedded")
	if again.code != 0 || !again.complete || again.parts["CRM"].Equal != 20 || !strings.Contains(again.next, "BRIDGE_DATA_DIR="+back) {
		t.Fatalf("%+v", again)
	}
	home := start(t, back, documentedToken)
	if diff := cmp.Diff(was, ids(t, home.NATS)); diff != "" {
		t.Error(diff)
	}
	if a := post(t, home.Callbacks+path, distinct(30)); a.Events[0].Sequence != 21 {
		t.Errorf("the next event is #%d", a.Events[0].Sequence)
	}
	if a := post(t, home.Callbacks+path, marked); !a.Events[0].Duplicate || a.Events[0].Sequence != 20 {
		t.Errorf("a repeat is %+v", a.Events[0])
	}
	if out := asAdmin(t, home, back, "quarantine", "list"); !strings.Contains(out, "zoho-notifications") {
		t.Errorf("quarantine is %s", out)
	}
}

// asAdmin runs a command that asks a running bridge.
func asAdmin(t *testing.T, b *bridge, dir string, args ...string) string {
	t.Helper()
	r := runs(t, append(environment(dir), documentedToken, "BRIDGE_ADMIN_LISTEN="+strings.TrimPrefix(b.Admin, "http://")), args...)
	if r.code != 0 {
		t.Errorf("%v ended with %d: %s", args, r.code, r.errs)
	}
	return r.out
}

// Secrets are encrypted with the target's key, or stay where they are, and neither they nor passwords are printed.
func TestCopyOfSecrets(t *testing.T) {
	t.Parallel()
	const token, password = "1000.the-planted-refresh-token", "the-planted-password"
	remote := withOptions(t, &server.Options{Users: []*server.User{{Username: "u", Password: password}}})
	from := openRemote(t, t.TempDir(), -1)
	remoteStream(t, from.ClientURL(), jetstream.StreamConfig{Name: "CRM", Subjects: []string{"crm.>"}})
	seal(t, from.ClientURL(), "the old state key", "zoho.access.x", token)
	env := append(environment(t.TempDir()), "BRIDGE_NATS_URL="+from.ClientURL(), "BRIDGE_LOG_LEVEL=debug")
	flags := []string{"--to", remote.ClientURL(), "--to-user", "u", "--to-password-file", writeFile(t, password+"\n")}
	plain := copies(t, env, flags...)
	if plain.code != 0 || plain.state.Secrets != 1 || plain.state.Equal != 0 {
		t.Errorf("without a key: %+v", plain)
	}
	keyed := copies(t, append(env, "BRIDGE_STATE_KEY=the old state key"), flags...)
	if keyed.code != 0 || keyed.state.Secrets != 0 || keyed.state.Equal != 1 {
		t.Errorf("with a key: %+v", keyed)
	}
	lost := copies(t, append(env, "BRIDGE_STATE_KEY=another state key"), flags...)
	if lost.state.Lost != 1 {
		t.Errorf("with another key: %+v", lost)
	}
	inURL := runs(t, env, "copy", "--to", strings.Replace(remote.ClientURL(), "//", "//u:"+password+"@", 1))
	wrong := runs(t, env, "copy", "--to", remote.ClientURL(), "--to-user", "u", "--to-password-file", writeFile(t, "wrong-"+password))
	if inURL.code != 2 || wrong.code != 1 || !strings.Contains(wrong.errs, "rejected --to-user and --to-password-file") {
		t.Errorf("%+v, %+v", inURL, wrong)
	}
	said, err := json.Marshal([]string{plain.errs, plain.next, keyed.errs, keyed.next, lost.errs, lost.next, inURL.errs, inURL.out, wrong.errs, wrong.out})
	if err != nil {
		t.Fatal(err)
	}
	for _, secret := range []string{token, password, "the old state key"} {
		if strings.Contains(string(said), secret) {
			t.Errorf("%s was printed: %s", secret, said)
		}
	}
}

// seal stores an encrypted value in the state of a bridge.
func seal(t *testing.T, url, secret, key, value string) {
	t.Helper()
	conn, err := publish.Address{URL: url}.Dial(slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	sealed, err := publish.NewSealed(&publish.Bucket{Reach: func() (*publish.Conn, error) { return conn, nil }, Name: "CRM_STATE", Replicas: 1}, secret)
	if err == nil {
		_, err = sealed.Save(t.Context(), key, []byte(value), 0)
	}
	if err != nil {
		t.Fatal(err)
	}
}
