package e2e

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go/jetstream"
)

// history is the folder of a bridge that ran alone and is stopped, with n events and a callback in quarantine.
func history(t *testing.T, n int) (dir string, env []string) {
	t.Helper()
	dir = t.TempDir()
	b := start(t, dir, documentedToken)
	fillEvents(t, owner(t, b, dir), n)
	post(t, b.Callbacks+path, malformed)
	if err := b.stop(t, 15); err != nil {
		t.Fatal(err)
	}
	return dir, append(environment(dir), documentedToken)
}

// A copy to and from a NATS takes no more rights than docs/nats.md lists.
func TestCopyTakesLittle(t *testing.T) {
	t.Parallel()
	log := &violations{}
	as := documentedNATS(t, log)
	dir, env := history(t, 10)
	records := records(t, dir, 3)
	there := append(env, as("crm-copy"))
	for _, args := range [][]string{{"--dry-run"}, {}, {}, {"--verify"}} {
		if c := copies(t, there, append([]string{"--from", "embedded"}, args...)...); c.code != 0 {
			t.Errorf("%v ended with %d: %s", args, c.code, c.errs)
		}
	}
	back := append(environment(filepath.Join(t.TempDir(), "back")), as("crm-copy"))
	if c := copies(t, back, "--to", "embedded"); c.code != 0 || c.parts["CRM"].Equal != 10 || c.parts["CRM_RECORDS"].Equal != uint64(records) {
		t.Errorf("%+v", c)
	}
	log.mu.Lock()
	defer log.mu.Unlock()
	if len(log.seen) > 0 {
		t.Errorf("refused:\n%s", strings.Join(log.seen, "\n"))
	}
}

// records stores the states of records in the folder of a bridge, and erases an event there.
func records(t *testing.T, dir string, n int) int {
	t.Helper()
	b := start(t, dir, documentedToken)
	js := owner(t, b, dir)
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "CRM_RECORDS", Subjects: []string{"crm-records.>"}, MaxMsgsPerSubject: 1}); err != nil {
		t.Fatal(err)
	}
	for i := range 4 * n {
		if _, err := js.Publish(t.Context(), "crm-records.zoho.default.Deals."+strings.Repeat("1", i%n+1), []byte("{}")); err != nil {
			t.Fatal(err)
		}
	}
	if err := b.stop(t, 15); err != nil {
		t.Fatal(err)
	}
	return n
}

// What does not fit on the target is said, with what to set, before anything is copied; what was changed there since is found.
func TestCopyIsChecked(t *testing.T) {
	t.Parallel()
	_, env := history(t, 2000)
	remote := openRemote(t, t.TempDir(), -1)
	far, to := connected(t, remote.ClientURL()), remote.ClientURL()
	lacks := func() {
		t.Helper()
		if stream, err := far.Stream(t.Context(), "CRM"); err == nil && stream.CachedInfo().State.Msgs > 0 {
			t.Errorf("it copied %d events", stream.CachedInfo().State.Msgs)
		}
	}
	small := copies(t, append(env, "BRIDGE_STREAM_MAX_BYTES=200KiB"), "--to", to)
	if small.code != 1 || !strings.Contains(small.errs, "set BRIDGE_STREAM_MAX_BYTES to more") {
		t.Errorf("%+v", small)
	}
	lacks()
	if err := far.DeleteStream(t.Context(), "CRM"); err != nil {
		t.Fatal(err)
	}
	if dry := copies(t, env, "--to", to, "--dry-run"); dry.code != 0 || dry.parts["CRM"].Left != 2000 {
		t.Errorf("%+v", dry)
	}
	lacks()
	if c := copies(t, env, "--to", to); c.code != 0 || !c.complete {
		t.Fatalf("%+v", c)
	}
	if c := copies(t, env, "--to", to, "--verify"); c.code != 0 || c.parts["CRM"].Equal != 2000 || c.parts["CRM"].Digest == "" {
		t.Errorf("%+v", c)
	}
	stream, err := far.Stream(t.Context(), "CRM")
	if err == nil {
		err = stream.DeleteMsg(t.Context(), 1234)
	}
	if err != nil {
		t.Fatal(err)
	}
	if c := copies(t, env, "--to", to, "--verify"); c.code != 1 || !strings.Contains(c.errs, "lacks message #1234") {
		t.Errorf("%+v", c)
	}
}

// Who switched first and copies the history afterwards is refused by default, and with --append gets the history behind the new events.
func TestCopyAfterTheSwitch(t *testing.T) {
	t.Parallel()
	dir, env := history(t, 50)
	remote := openRemote(t, t.TempDir(), -1)
	to := "BRIDGE_NATS_URL=" + remote.ClientURL()
	b := start(t, dir, documentedToken, to)
	if !strings.Contains(b.Log(), "copy --from embedded") {
		t.Errorf("the start does not name the copy: %s", b.Log())
	}
	post(t, b.Callbacks+path, distinct(1))
	waitFor(t, func() bool { return metric(t, b, "crm_bridge_journal_pending") == "0" })
	if c := copies(t, append(env, to), "--from", "embedded"); c.code != 1 || !strings.Contains(c.errs, "stop") {
		t.Errorf("while the bridge runs: %+v", c)
	}
	if err := b.stop(t, 15); err != nil {
		t.Fatal(err)
	}
	if c := copies(t, append(env, to), "--from", "embedded"); c.code != 1 || !strings.Contains(c.errs, "--append") {
		t.Errorf("%+v", c)
	}
	c := copies(t, append(env, to), "--from", "embedded", "--append")
	if c.code != 0 || !c.complete || c.parts["CRM"].Equal != 50 {
		t.Fatalf("%+v", c)
	}
	if got := ids(t, remote.ClientURL()); len(got) != 51 || got["old-49"] != 1 {
		t.Errorf("%d events", len(got))
	}
	if b := start(t, dir, documentedToken, to); strings.Contains(b.Log(), "copy --from embedded") {
		t.Errorf("the start still names the copy: %s", b.Log())
	}
}

// A journal in which events wait is not lost: a folder that has one takes no copy, and one that the source's bridge has noted keeps the copy
// from being complete.
func TestCopyMindsJournals(t *testing.T) {
	t.Parallel()
	dir, port := t.TempDir(), freePort(t)
	store := t.TempDir()
	remote := restart(t, "nats://127.0.0.1:"+port, store)
	to := "BRIDGE_NATS_URL=" + remote.ClientURL()
	b := start(t, dir, documentedToken, to)
	post(t, b.Callbacks+path, distinct(1))
	waitFor(t, func() bool { return noted(t, remote) })
	env := append(environment(filepath.Join(t.TempDir(), "back")), to)
	if c := copies(t, env, "--to", "embedded"); c.code != 0 || c.complete || !strings.Contains(c.next, "is in use: stop its bridge") {
		t.Errorf("while a bridge runs: %+v", c)
	}
	end(remote)
	post(t, b.Callbacks+path, distinct(2))
	if err := b.stop(t, 15); err != nil {
		t.Fatal(err)
	}
	remote = restart(t, remote.ClientURL(), store)
	if c := copies(t, append(environment(dir), to), "--to", "embedded"); c.code != 1 || !strings.Contains(c.errs, "holds 1 events that are not forwarded") {
		t.Errorf("into its folder: %+v", c)
	}
	b = start(t, dir, documentedToken, to)
	waitFor(t, func() bool { return metric(t, b, "crm_bridge_journal_pending") == "0" })
	if err := b.stop(t, 15); err != nil {
		t.Fatal(err)
	}
	bucket := keep(t, connected(t, remote.ClientURL()), map[string]string{"journal.elsewhere": `{"host":"h","folder":"f","pending":3,"closed":true}`})
	if c := copies(t, env, "--to", "embedded"); c.code != 0 || c.complete || !strings.Contains(c.next, "may hold events") {
		t.Errorf("of a journal that is elsewhere: %+v", c)
	}
	if err := bucket.Purge(t.Context(), "journal.elsewhere"); err != nil {
		t.Fatal(err)
	}
	if c := copies(t, env, "--to", "embedded"); c.code != 0 || !c.complete || c.parts["CRM"].Equal != 2 {
		t.Errorf("in the end: %+v", c)
	}
}

// noted reports whether a bridge has noted its journal.
func noted(t *testing.T, remote *server.Server) bool {
	t.Helper()
	bucket, err := connected(t, remote.ClientURL()).KeyValue(t.Context(), "CRM_STATE")
	if err != nil {
		return false
	}
	keys, err := bucket.ListKeysFiltered(t.Context(), "journal.>")
	if err != nil {
		return false
	}
	for range keys.Keys() {
		return true
	}
	<-time.After(50 * time.Millisecond)
	return false
}
