package console

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// adminToken returns the token of the bridge's data folder.
func (b *bridge) adminToken(t *testing.T) string {
	t.Helper()
	token, err := os.ReadFile(filepath.Join(b.dir, "data", "admin-token"))
	if err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(string(token))
}

// link returns a path that signs in once.
func (b *bridge) link(t *testing.T) string {
	t.Helper()
	out, err := b.run("status", "--open")
	path, ok := strings.CutPrefix(strings.TrimSpace(out), b.Admin)
	if err != nil || !ok {
		t.Fatalf("status --open printed %q: %v", out, err)
	}
	return path
}

// signedIn opens a window in which somebody has signed in to a bridge by a link.
func signedIn(t *testing.T, b *bridge, as look) *window {
	t.Helper()
	w := open(t, b.Admin, as)
	if status := w.visit(b.link(t)); status != 200 || w.path() != "/" {
		t.Fatalf("the link led to %s, with status %d", w.path(), status)
	}
	return w
}
