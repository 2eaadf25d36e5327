package console

import (
	"encoding/json"
	"fmt"
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
	status, text, err := post(b.Admin+"/console/link", nil, "X-Admin-Token", b.adminToken(t))
	var link struct{ URL string }
	if err == nil {
		err = json.Unmarshal([]byte(text), &link)
	}
	path, ok := strings.CutPrefix(link.URL, b.Admin)
	if err != nil || status != 200 || !ok {
		t.Fatal(fmt.Errorf("a link was answered with %d %s: %w", status, text, err))
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
