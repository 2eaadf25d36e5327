package e2e

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

const (
	victim    = "9000000000001" // the record that is erased
	bystander = "9000000000002"
	eraseKey  = "BRIDGE_ZOHO_WEBHOOK_SECRET=a-webhook-secret-of-this-test"
)

// webhook posts a callback about a record, with a text that is only there.
func webhook(t *testing.T, b *bridge, body string, status int) {
	t.Helper()
	if a := post(t, b.Callbacks+"/zoho/webhooks/Contacts/edit?secret=a-webhook-secret-of-this-test", body); a.Status != status {
		t.Fatalf("answered %d %s", a.Status, a.Text)
	}
}

// traces returns the files below folders in which a text is.
func traces(t *testing.T, text string, folders ...string) (found []string) {
	t.Helper()
	for _, folder := range folders {
		err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
			if err != nil || entry.IsDir() {
				return err
			}
			content, err := os.ReadFile(path)
			if bytes.Contains(content, []byte(text)) {
				found = append(found, path)
			}
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return found
}

// contents returns the messages of all streams of a server, by stream and sequence.
func contents(t *testing.T, url string) map[string]string {
	t.Helper()
	conn, err := nats.Connect(url)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]string{}
	streams := js.ListStreams(t.Context())
	for info := range streams.Info() {
		if strings.HasPrefix(info.Config.Name, "KV_") {
			continue
		}
		stream, err := js.Stream(t.Context(), info.Config.Name)
		if err != nil {
			t.Fatal(err)
		}
		for sequence := info.State.FirstSeq; sequence <= info.State.LastSeq; sequence++ {
			if msg, err := stream.GetMsg(t.Context(), sequence); err == nil {
				all[fmt.Sprintf("%s %d %s", info.Config.Name, sequence, msg.Subject)] = fmt.Sprint(msg.Header, msg.Time, string(msg.Data))
			}
		}
	}
	return all
}

// erased is what the command says of streams.
func erased(t *testing.T, out string) map[string][2]int {
	t.Helper()
	all := map[string][2]int{}
	for line := range strings.Lines(out) {
		var one struct {
			Stream              string
			Deleted, WithOthers int
		}
		if !strings.HasPrefix(line, "{") {
			continue // progress
		}
		if err := json.Unmarshal([]byte(line), &one); err != nil || one.Stream == "" {
			t.Fatalf("%v: %s", err, line)
		}
		if one.Stream != "CRM_JOURNAL" { // how much is left of what is forwarded depends on the moment
			all[one.Stream] = [2]int{one.Deleted, one.WithOthers}
		}
	}
	return all
}

// In each mode a record is erased from every stream: nothing of it is in any file, and every other message is as it was.
func TestErase(t *testing.T) {
	for _, mode := range []string{"embedded", "journal", "direct"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			dir, folders := t.TempDir(), []string(nil)
			env := []string{documentedToken, eraseKey}
			if folders = append(folders, dir); mode != "embedded" {
				store := t.TempDir()
				remote := openRemote(t, store, -1)
				folders = append(folders, store)
				env = append(env, "BRIDGE_NATS_URL="+remote.ClientURL(), "BRIDGE_DELIVERY="+mode)
			}
			b := start(t, dir, env...)
			for i := range 30 {
				webhook(t, b, fmt.Sprintf(`{"id":"%s","note":"victim-text %d"}`, victim, i), 200)
				webhook(t, b, fmt.Sprintf(`{"id":"%s","note":"bystander-text %d"}`, bystander, i), 200)
			}
			both := strings.NewReplacer("1000000033163", victim+`","`+bystander, `"query_params"`, `"both":"victim-text","query_params"`).Replace(documented)
			if a := post(t, b.Callbacks+path, both); a.Status != 200 {
				t.Fatalf("answered %d %s", a.Status, a.Text)
			}
			webhook(t, b, `{"id":"`+victim+`","note":"victim-text", broken`, 400)
			webhook(t, b, `{"id":"`+bystander+`","note":"bystander-text", broken`, 400)
			run := func(args ...string) (string, int) {
				cmd := exec.Command(program, args...)
				cmd.Env = append(append(environment(dir), env...), "BRIDGE_ADMIN_LISTEN="+strings.TrimPrefix(b.Admin, "http://"), "BRIDGE_NATS_LISTEN="+strings.TrimPrefix(b.NATS, "nats://"))
				out, err := cmd.CombinedOutput()
				if err != nil && cmd.ProcessState == nil {
					t.Fatal(err)
				}
				return string(out), cmd.ProcessState.ExitCode()
			}
			waitFor(t, func() bool { // a journal is forwarded
				held := contents(t, b.NATS)
				return len(held) == 63
			})
			if out, code := run("replay", "--since", "1h", "--to", "subject", "--job", "before"); code != 0 {
				t.Fatalf("the replay ended with %d: %s", code, out)
			}
			want := map[string][2]int{"CRM": {31, 1}, "CRM_REPLAY": {31, 1}, "CRM_QUARANTINE": {1, 0}}
			if mode == "journal" {
				want["CRM_REFUSED"] = [2]int{}
			}
			before := contents(t, b.NATS)
			out, code := run("erase", "zoho", "Contacts", victim, "--dry-run")
			if got := erased(t, out); code != 0 || !maps.Equal(got, want) {
				t.Errorf("the dry run ended with %d and %s", code, out)
			}
			if !maps.Equal(before, contents(t, b.NATS)) {
				t.Error("the dry run has changed something")
			}
			if out, code = run("erase", "zoho", "Contacts", victim); code != 2 || !strings.Contains(out, "--yes") {
				t.Errorf("without a terminal it ended with %d: %s", code, out)
			}
			if out, code = run("erase", "zoho", "Contacts", victim, "--yes"); code != 0 || !maps.Equal(erased(t, out), want) {
				t.Errorf("it ended with %d and %s", code, out)
			}
			for _, text := range []string{"victim-text", victim} {
				if found := traces(t, text, folders...); len(found) > 0 {
					t.Errorf("%s is still in %q", text, found)
				}
			}
			after := contents(t, b.NATS)
			for message, text := range before {
				if left, ok := after[message]; strings.Contains(text, victim) == ok || ok && left != text {
					t.Errorf("%s is not as it was, or still there: %.100s", message, left)
				}
			}
			if out, code = run("erase", "zoho", "Contacts", victim, "--yes"); code != 0 || erased(t, out)["CRM"] != [2]int{} {
				t.Errorf("again it ended with %d and %s", code, out)
			}
			if err := b.stop(t, syscall.SIGTERM); err != nil {
				t.Fatal(err)
			}
			b = start(t, dir, env...)
			if !maps.Equal(after, contents(t, b.NATS)) {
				t.Error("after a restart something is different")
			}
		})
	}
}

// A replica erases in its own journal and of what it has set aside when another one is asked. A journal in which events may wait, and whose
// bridge does not run, is named.
func TestEraseReplicas(t *testing.T) {
	t.Parallel()
	store, dirs := t.TempDir(), []string{t.TempDir(), t.TempDir()}
	remote := openRemote(t, store, -1)
	env := []string{eraseKey, "BRIDGE_NATS_URL=" + remote.ClientURL()}
	one, two := start(t, dirs[0], env...), start(t, dirs[1], env...)
	webhook(t, one, `{"id":"`+victim+`","note":"victim-text"}`, 200)
	js := service(t, remote.ClientURL())
	waitFor(t, func() bool { return len(contents(t, remote.ClientURL())) == 1 })
	stream, err := js.Stream(t.Context(), "CRM")
	if err != nil {
		t.Fatal(err)
	}
	smaller := stream.CachedInfo().Config
	smaller.MaxMsgSize = 4 << 10
	if _, err := js.UpdateStream(t.Context(), smaller); err != nil {
		t.Fatal(err)
	}
	webhook(t, two, `{"id":"`+victim+`","note":"victim-text `+strings.Repeat("x", 8<<10)+`"}`, 200)
	waitFor(t, func() bool { return metric(t, two, "crm_bridge_refused_total") == "1" })
	var state jetstream.KeyValue
	waitFor(t, func() bool { // both are known
		if state, err = js.KeyValue(t.Context(), "CRM_STATE"); err != nil {
			return false
		}
		keys, err := state.Keys(t.Context())
		return err == nil && len(keys) == 2
	})
	for _, args := range [][]string{{"--dry-run"}, {"--yes"}} {
		out, code := command(t, one, dirs[0], append([]string{"erase", "zoho", "Contacts", victim}, args...)...)
		if code != 0 || !strings.Contains(out, `{"stream":"CRM_REFUSED","deleted":1,"withOthers":0,"where":"the journal in folder`) || !strings.Contains(out, `{"stream":"CRM","deleted":1,`) {
			t.Errorf("%s ended with %d: %s", args, code, out)
		}
	}
	if found := traces(t, "victim-text", dirs[0], dirs[1], store); len(found) > 0 {
		t.Errorf("it is still in %q", found)
	}
	if keys, err := state.Keys(t.Context()); err != nil || len(keys) != 2 {
		t.Errorf("of the erasure there is left %q, %v", keys, err)
	}
	if _, err := state.Put(t.Context(), "journal.gone", []byte(`{"host":"gone","folder":"/gone","pending":3,"closed":true}`)); err != nil {
		t.Fatal(err)
	}
	if out, code := command(t, one, dirs[0], "erase", "zoho", "Contacts", victim, "--yes"); code != 1 || !strings.Contains(out, `"/gone" of host "gone" may hold events`) {
		t.Errorf("with a journal that nobody empties it ended with %d: %s", code, out)
	}
}

// A privacy deletion of HubSpot erases the record when that is configured. Its own event stays.
func TestEraseOnRequest(t *testing.T) {
	t.Parallel()
	for _, wanted := range []string{"true", "false"} {
		t.Run(wanted, func(t *testing.T) {
			t.Parallel()
			crm, env := startHubSpot(t)
			dir := t.TempDir()
			b := start(t, dir, append(env, "BRIDGE_ERASE_ON_REQUEST="+wanted)...)
			deliver := func(body string) {
				if status, answer, err := crm.Deliver(t.Context(), http.DefaultClient, []byte(body)); err != nil || status != 200 {
					t.Fatalf("answered %d %s, %v", status, answer, err)
				}
			}
			deliver("[" + fmt.Sprintf(hubspotEvent, 1, 44001122, 150712345678) + "," + fmt.Sprintf(hubspotEvent, 2, 44001122, 150712345679) + "]")
			deliver(`[{"eventId":3,"subscriptionId":2,"portalId":44001122,"occurredAt":1796040000124,"subscriptionType":"contact.privacyDeletion","objectId":150712345678}]`)
			if wanted == "true" {
				waitFor(t, func() bool { return strings.Contains(b.Log(), "erased because its CRM asked") })
			} else if _, code := command(t, b, dir, "check"); code != 0 {
				t.Error("it is not ready")
			}
			held := contents(t, b.NATS)
			for message, want := range map[string]bool{"CRM 1 crm.hubspot.contact.create": wanted == "false", "CRM 2 crm.hubspot.contact.create": true, "CRM 3 crm.hubspot.contact.privacyDeletion": true} {
				if _, ok := held[message]; ok != want {
					t.Errorf("%s is there: %t", message, ok)
				}
			}
		})
	}
}
