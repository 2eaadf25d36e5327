package e2e

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
)

// A replay by the command, whose post hangs while a record is erased, ends and says why. Resumed, it posts nothing of the record.
func TestEraseWhileAReplayHangs(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := start(t, dir, eraseKey)
	for i := range 10 {
		webhook(t, b, fmt.Sprintf(`{"id":"%s","note":"victim-text %d"}`, victim, i), 200)
	}
	webhook(t, b, fmt.Sprintf(`{"id":"%s","note":"bystander-text"}`, bystander), 200)
	var posts, others atomic.Int32
	hung := make(chan bool)
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if body, _ := io.ReadAll(r.Body); strings.Contains(string(body), "bystander-text") {
			others.Add(1)
		} else if posts.Add(1) == 1 {
			<-hung
		}
	}))
	defer server.Close()
	args := []string{"--since", "1h", "--to", server.URL, "--job", "hangs"}
	env := append(environment(dir), eraseKey, "BRIDGE_NATS_LISTEN="+strings.TrimPrefix(b.NATS, "nats://"))
	first := replayCommand(env, args...)
	var said strings.Builder
	first.Stderr = &said
	if err := first.Start(); err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool { return posts.Load() == 1 })
	does(t, b, dir, `"deleted":10`, "erase", "zoho", "Contacts", victim, "--yes", "--json")
	if err := first.Wait(); err == nil || !strings.Contains(said.String(), "job hangs was stopped because a record is erased") {
		t.Errorf("it ended with %v: %s", err, said.String())
	}
	close(hung)
	if jobs := runs(t, env, "replay", "jobs", "--json"); !strings.Contains(jobs.out, `"state":"stopped"`) {
		t.Errorf("the job is listed as %s%s", jobs.out, jobs.errs)
	}
	if again := replay(t, env, args...); again.code != 0 || !strings.Contains(again.out, `"events":1`) {
		t.Errorf("resumed it ended with %d: %s%s", again.code, again.out, again.errs)
	}
	if posts.Load() != 1 || others.Load() != 1 {
		t.Errorf("%d posts about the record, %d others", posts.Load(), others.Load())
	}
}
