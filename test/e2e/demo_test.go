package e2e

import (
	"encoding/json"
	"net/http"
	"net/http/cookiejar"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// The demo stays until Ctrl-C: its link signs in to the console once, the printed command reads its events, a simulated CRM's traffic is in
// the stream, and nothing is left behind.
func TestDemoStaysUntilCtrlC(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	cmd := exec.Command(program, "demo", "--crm", "--stay", "--every", "200ms")
	cmd.Env = append(environment(t.TempDir()), "TMPDIR="+folder)
	var mu sync.Mutex
	var text strings.Builder
	cmd.Stdout = writerFunc(func(p []byte) (int, error) {
		mu.Lock()
		defer mu.Unlock()
		return text.Write(p)
	})
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	exited := make(chan error, 1)
	go func() { exited <- cmd.Wait() }()
	t.Cleanup(func() { _ = cmd.Process.Kill() })
	find := func(pattern string) string {
		t.Helper()
		for end := time.Now().Add(30 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
			mu.Lock()
			found := regexp.MustCompile(pattern).FindStringSubmatch(text.String())
			mu.Unlock()
			if found != nil {
				return found[1]
			}
		}
		t.Fatalf("%q is not printed:\n%s", pattern, text.String())
		return ""
	}
	if status, page := get(t, find(`CRMs +(http\S+)`)); status != http.StatusOK || !strings.Contains(page, "Drop the subscription") {
		t.Errorf("the page: %d\n%s", status, page)
	}
	link := find(`console +(http\S+)`)
	for i, want := range []bool{true, false} {
		jar, err := cookiejar.New(nil)
		if err != nil {
			t.Fatal(err)
		}
		response, err := (&http.Client{Jar: jar}).Get(link)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if signedIn := response.Request.URL.Path == "/" && response.StatusCode == http.StatusOK; signedIn != want {
			t.Errorf("use %d of the link leads to %s: %s", i+1, response.Request.URL.Path, response.Status)
		}
	}
	tail := exec.Command("sh", "-c", find(`commands +(.*) tail`)+" tail 'crm.*.*.edit' --since 1m --count 2 --json")
	tail.Env = append(environment(t.TempDir()), "BRIDGE_NATS_LISTEN=")
	out, err := tail.Output()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	var line struct{ Subject string }
	if err := json.NewDecoder(strings.NewReader(string(out))).Decode(&line); err != nil || !strings.HasSuffix(line.Subject, ".edit") {
		t.Errorf("%v: %s", err, out)
	}
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(200 * time.Millisecond) { // records are read a moment after their events
		record := exec.Command("sh", "-c", find(`commands +(.*) tail`)+" record bitrix24 Deal 1")
		record.Env = tail.Env
		out, err := record.CombinedOutput()
		if err == nil && strings.Contains(string(out), `"title":"A deal"`) {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("the record is not kept: %v: %s", err, out)
		}
	}
	if err := cmd.Process.Signal(syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-exited:
		if err != nil {
			t.Errorf("ended with %v:\n%s", err, text.String())
		}
	case <-time.After(30 * time.Second):
		t.Fatal("does not end")
	}
	if left, err := os.ReadDir(folder); err != nil || len(left) > 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}
