package e2e

import (
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// newestBlock returns the file that holds, or will hold, the newest message of a stream in a bridge's data folder.
func newestBlock(t *testing.T, dir, stream string) string {
	t.Helper()
	blocks, err := filepath.Glob(filepath.Join(dir, "jetstream", "$G", "streams", stream, "msgs", "*.blk"))
	if err != nil || len(blocks) != 1 {
		t.Fatalf("blocks %v: %v", blocks, err)
	}
	return blocks[0]
}

// When what holds the newest events is removed, no callback is answered 200 any more: what the server writes then is
// gone after a restart. The bridge ends with an error that names the file; no callback is needed to find out.
func TestStoreThatVanishes(t *testing.T) {
	for name, what := range map[string]func(block string) string{
		"the newest block":  func(block string) string { return block },
		"the stream":        func(block string) string { return filepath.Dir(filepath.Dir(block)) },
		"the whole store":   func(block string) string { return filepath.Join(filepath.Dir(block), "../../../..") },
		"of the quarantine": func(block string) string { return strings.Replace(block, "/CRM/", "/CRM_QUARANTINE/", 1) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			b := start(t, dir, documentedToken, "BRIDGE_ANSWER_TIMEOUT=2s")
			if a := post(t, b.Callbacks+path, documented); a.Status != 200 {
				t.Fatalf("answered %d %s", a.Status, a.Text)
			}
			waitFor(t, func() bool { status, _ := get(t, b.Admin+"/readyz"); return status == 200 })
			if err := os.RemoveAll(what(newestBlock(t, dir, "CRM"))); err != nil {
				t.Fatal(err)
			}
			if name != "of the quarantine" {
				for range 3 {
					if a, err := tryPost(b.Callbacks+path, documented); err == nil && a.Status != 503 {
						t.Errorf("answered %d %s", a.Status, a.Text)
					}
				}
			}
			waitFor(t, func() bool {
				ready, err := http.Get(b.Admin + "/readyz")
				if err != nil {
					return true // it has ended
				}
				_ = ready.Body.Close()
				return ready.StatusCode == 503
			})
			if err := <-b.exited; err == nil || !strings.Contains(b.Log(), "is gone: it was removed") {
				t.Errorf("ended with %v\n%s", err, last(b.Log()))
			}
		})
	}
}
