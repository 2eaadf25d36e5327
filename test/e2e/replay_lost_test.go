package e2e

import (
	"fmt"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go/jetstream"
)

// A job that publishes goes on by itself when NATS was away in the middle, without gaps or doubles.
func TestReplayToSubjectOutlivesNATS(t *testing.T) {
	t.Parallel()
	const n = 20000
	store := t.TempDir()
	remote, js, env := filled(t, store, n)
	url := remote.ClientURL()
	replayStream := jetstream.StreamConfig{Name: "CRM_REPLAY", Subjects: []string{"crm-replay.>"}, Duplicates: 100 * time.Millisecond}
	stream, err := js.CreateStream(t.Context(), replayStream)
	if err != nil {
		t.Fatal(err)
	}
	cmd := replayCommand(env, "--to", "subject", "--job", "lost")
	var errs strings.Builder
	cmd.Stderr = &errs
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	for again := range 2 {
		waitFor(t, func() bool {
			info, err := stream.Info(t.Context())
			return err == nil && info.State.Msgs > uint64(2000+7000*again)
		})
		remote.Shutdown()
		remote.WaitForShutdown()
		remote = restart(t, url, store)
	}
	if err := cmd.Wait(); err != nil {
		t.Errorf("%v: %s", err, errs.String())
	}
	if diff := cmp.Diff(upTo(n), heldHeaders(t, url)); diff != "" {
		t.Errorf("%.2000s", diff)
	}
}

// Of two runs of one job the earlier ends, and says why; an interrupted one says how it goes on.
func TestReplayIsRunOnce(t *testing.T) {
	t.Parallel()
	_, _, env := filled(t, t.TempDir(), 500)
	endpoint := &endpoint{}
	server := httptest.NewServer(endpoint)
	defer server.Close()
	args := []string{"--to", server.URL, "--job", "once", "--rate", "20"}
	first := replayCommand(env, args...)
	var errs strings.Builder
	first.Stderr = &errs
	if err := first.Start(); err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool { return len(endpoint.taken()) > 5 })
	second := replayCommand(env, args...)
	var told strings.Builder
	second.Stderr = &told
	if err := second.Start(); err != nil {
		t.Fatal(err)
	}
	if err := first.Wait(); err == nil || !strings.Contains(errs.String(), "another run of job once is at work") {
		t.Errorf("the first ended with %v: %s", err, errs.String())
	}
	had := len(endpoint.taken())
	waitFor(t, func() bool { return len(endpoint.taken()) > had+5 })
	if err := second.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := second.Wait(); err == nil || !strings.Contains(told.String(), "interrupted: run the same command with --job once to resume") {
		t.Errorf("interrupted it ended with %v: %s", err, told.String())
	}
	began, had := time.Now(), len(endpoint.taken())
	third := replay(t, env, "--to", server.URL, "--job", "once", "--rate", "1000")
	if third.code != 0 || !strings.Contains(third.out, `"events":500`) {
		t.Errorf("ended with %d: %s %s", third.code, third.out, third.errs)
	}
	if left, took := 500-had, time.Since(began); took < time.Duration(left-100)*time.Millisecond {
		t.Errorf("%d events at 1,000 a second took %s", left, took)
	}
}

// A stream of replayed events that is full loses none: the job stops, and goes on when there is room.
func TestReplayStreamIsFull(t *testing.T) {
	_, js, env := filled(t, t.TempDir(), 100)
	small := jetstream.StreamConfig{Name: "CRM_REPLAY", Subjects: []string{"crm-replay.>"}, MaxBytes: 20_000, Discard: jetstream.DiscardNew}
	if _, err := js.CreateStream(t.Context(), small); err != nil {
		t.Fatal(err)
	}
	r := replay(t, env, "--to", "subject", "--job", "full")
	if r.code != 1 || !strings.Contains(r.errs, "stream CRM_REPLAY is full") || !strings.Contains(r.errs, "with --job full to resume") {
		t.Errorf("ended with %d: %s", r.code, r.errs)
	}
	small.MaxBytes = -1
	if _, err := js.UpdateStream(t.Context(), small); err != nil {
		t.Fatal(err)
	}
	r = replay(t, env, "--to", "subject", "--job", "full")
	if r.code != 0 || !strings.Contains(r.out, `"events":100`) {
		t.Errorf("ended with %d: %s %s", r.code, r.out, r.errs)
	}
}

// A job is about the stream that it was begun on; what leaves that stream before it was read is told of.
func TestReplayOfWhatIsGone(t *testing.T) {
	remote, js, env := filled(t, t.TempDir(), 50)
	endpoint := &endpoint{answer: func(n int) int { return map[int]int{11: 400}[n] }}
	server := httptest.NewServer(endpoint)
	defer server.Close()
	args := []string{"--to", server.URL, "--job", "gone"}
	if r := replay(t, env, args...); r.code != 1 {
		t.Fatalf("ended with %d: %s", r.code, r.errs)
	}
	stream, err := js.Stream(t.Context(), "CRM")
	if err != nil {
		t.Fatal(err)
	}
	if err := stream.Purge(t.Context(), jetstream.WithPurgeSequence(31)); err != nil {
		t.Fatal(err)
	}
	r := replay(t, env, args...)
	if r.code != 0 || !strings.Contains(r.out, `"events":30,"gone":20`) {
		t.Errorf("ended with %d: %s %s", r.code, r.out, r.errs)
	}
	if err := js.DeleteStream(t.Context(), "CRM"); err != nil {
		t.Fatal(err)
	}
	remoteStream(t, remote.ClientURL(), jetstream.StreamConfig{Name: "CRM", Subjects: []string{"crm.>"}})
	if r = replay(t, env, args...); r.code != 1 || !strings.Contains(r.errs, "earlier stream") {
		t.Errorf("on another stream it ended with %d: %s %s", r.code, r.out, r.errs)
	}
	if r = replay(t, env, append(args, "--restart")...); r.code != 0 || !strings.Contains(r.out, `"read":0,"events":0`) {
		t.Errorf("of an empty stream it ended with %d: %s %s", r.code, r.out, r.errs)
	}
}

// With a journal the events are on the remote, and are replayed from there.
func TestReplayBehindAJournal(t *testing.T) {
	remote := openRemote(t, t.TempDir(), -1)
	dir := t.TempDir()
	b := start(t, dir, documentedToken, "BRIDGE_NATS_URL="+remote.ClientURL())
	for i := range 5 {
		if a := post(t, b.Callbacks+path, distinct(i)); a.Status != 200 {
			t.Fatalf("answered %d %s", a.Status, a.Text)
		}
	}
	waitFor(t, func() bool { return metric(t, b, "crm_bridge_journal_pending") == "0" })
	env := append(environment(dir), "BRIDGE_NATS_URL="+remote.ClientURL())
	if r := replay(t, env, "--to", "subject", "--job", "j"); r.code != 0 || !strings.Contains(r.out, `"events":5`) {
		t.Errorf("ended with %d: %s %s", r.code, r.out, r.errs)
	}
	if got := fmt.Sprint(sequences(lines(t, env, "--record", "9000000000003"))); got != "[4]" {
		t.Errorf("a record's events are %s", got)
	}
}
