package e2e

import (
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// takenPosts notes what is posted to it, and answers each post with the next status, or with 204.
type takenPosts struct {
	*httptest.Server
	mu       sync.Mutex
	statuses []int
	posts    []http.Header
}

func openEndpoint(t *testing.T, statuses ...int) *takenPosts {
	e := &takenPosts{statuses: statuses}
	e.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		e.mu.Lock()
		defer e.mu.Unlock()
		e.posts = append(e.posts, r.Header)
		status := http.StatusNoContent
		if len(e.statuses) > 0 {
			status, e.statuses = e.statuses[0], e.statuses[1:]
		}
		w.WriteHeader(status)
	}))
	t.Cleanup(e.Close)
	return e
}

// ids are those of the events that were posted, in order.
func (e *takenPosts) ids() (all []string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	for _, header := range e.posts {
		all = append(all, header.Get("Ce-Id"))
	}
	return all
}

// tail --to posts live events in order, each until the endpoint takes it, with the headers of a file. It shows what was posted, and ends
// cleanly. Neither it nor its errors show the URL.
func TestTailPosts(t *testing.T) {
	t.Parallel()
	_, js, env := filled(t, t.TempDir(), 3)
	to := openEndpoint(t, 503, 204, 500)
	headers := filepath.Join(t.TempDir(), "headers")
	if err := os.WriteFile(headers, []byte("Authorization: Bearer planted\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	watch := tail(t, env, "--since", "1h", "--to", to.URL+"/hidden-path?key=planted", "--content-mode", "binary", "--header-file", headers)
	waitFor(t, func() bool { return len(watch.printed()) == 3 })
	if _, err := js.Publish(t.Context(), "crm.zoho.Deals.edit", []byte("not an event")); err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool { return strings.Contains(watch.stderr(), "skipped: message 4 on crm.zoho.Deals.edit") })
	if got := to.ids(); !slices.Equal(got, []string{"1", "1", "2", "2", "3"}) {
		t.Errorf("posted %v", got)
	}
	if header := to.posts[0]; header.Get("Authorization") != "Bearer planted" || header.Get("Ce-Type") != "crm.zoho.Deals.edit" {
		t.Errorf("posted with %v", header)
	}
	if err := watch.cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	waitFor(t, func() bool {
		return strings.Contains(watch.stderr(), "3 events posted to "+to.URL+"/***, the last is #3")
	})
	if said := watch.stderr(); strings.Contains(said, "planted") || strings.Contains(said, "hidden-path") || !strings.Contains(said, "retrying: the endpoint answered 503") {
		t.Errorf("said %s", said)
	}
}

// An event that the endpoint rejects ends tail --to, with what to do; --skip-refused goes on without it.
func TestTailPostsARejectedEvent(t *testing.T) {
	t.Parallel()
	_, _, env := filled(t, t.TempDir(), 3)
	run := func(to *takenPosts, args ...string) ran {
		cmd := exec.Command(program, append([]string{"tail", "--since", "1h", "--count", "2", "--content-mode", "binary", "--to", to.URL}, args...)...)
		cmd.Env = env
		var out, errs strings.Builder
		cmd.Stdout, cmd.Stderr = &out, &errs
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		kill := time.AfterFunc(20*time.Second, func() { _ = cmd.Process.Kill() })
		defer kill.Stop()
		_ = cmd.Wait()
		return ran{out.String(), errs.String(), cmd.ProcessState.ExitCode()}
	}
	if r := run(openEndpoint(t, 204, 400)); r.code != 1 || !strings.Contains(r.errs, "sequence 2): the endpoint answered 400 Bad Request; add --skip-refused") || strings.Count(r.out, "\n") != 1 {
		t.Errorf("%+v", r)
	}
	if r := run(openEndpoint(t, 204, 400), "--skip-refused"); r.code != 0 || !strings.Contains(r.errs, "1 rejected and skipped") || strings.Count(r.out, "\n") != 2 {
		t.Errorf("%+v", r)
	}
}
