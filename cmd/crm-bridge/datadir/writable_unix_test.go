//go:build unix

package datadir

import (
	"os"
	"path/filepath"
	"testing"
)

// Root is refused in a folder whose streams belong to another user, and nobody in one of their own. Only root, which CI is, can make the
// first.
func TestCheckOwner(t *testing.T) {
	folder := filepath.Join(t.TempDir(), "data")
	if err := CheckOwner(folder); err != nil {
		t.Errorf("a folder that is missing: %v", err)
	}
	streams := filepath.Join(folder, "jetstream")
	if err := os.MkdirAll(streams, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := CheckOwner(folder); err != nil {
		t.Errorf("a folder of this user: %v", err)
	}
	if os.Geteuid() != 0 {
		return
	}
	if err := os.Chown(streams, 65534, 65534); err != nil {
		t.Fatal(err)
	}
	if err := CheckOwner(folder); err == nil {
		t.Error("streams of another user are not refused")
	}
	if err := os.Remove(streams); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(folder, 65534, 65534); err != nil {
		t.Fatal(err)
	}
	if err := CheckOwner(folder); err == nil {
		t.Error("an empty folder of another user is not refused")
	}
}
