package e2e

import (
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// A bridge that may open no file answers 503 where it would have to, and is not ready. When it may again it goes on as if
// nothing had been: a file that could not be opened has lost nothing.
func TestNoDescriptorsLeft(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	b := start(t, dir, documentedToken, "BRIDGE_ANSWER_TIMEOUT=500ms")
	send := func(want int) {
		t.Helper()
		if a := post(t, b.Callbacks+path, documented); a.Status != want {
			t.Fatalf("answered %d %s, want %d", a.Status, a.Text, want)
		}
	}
	send(200) // and keeps the connections: no new one can be accepted
	get(t, b.Admin+"/readyz")
	if err := unix.Prlimit(b.cmd.Process.Pid, unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 0, Max: 1 << 10}, nil); err != nil {
		t.Fatal(err)
	}
	other := filepath.Join(filepath.Dir(newestBlock(t, dir, "CRM")), "other") // as index.db, which the server writes now and then
	if err := os.WriteFile(other, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	send(503)
	waitFor(t, func() bool { status, _ := get(t, b.Admin+"/readyz"); return status == 503 })
	if err := unix.Prlimit(b.cmd.Process.Pid, unix.RLIMIT_NOFILE, &unix.Rlimit{Cur: 1 << 10, Max: 1 << 10}, nil); err != nil {
		t.Fatal(err)
	}
	send(200)
	waitFor(t, func() bool { status, _ := get(t, b.Admin+"/readyz"); return status == 200 })
}
