//go:build unix

package disk

import (
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// Whoever owns the folder cannot have another process write, create or read a file elsewhere by a link. As root, which CI is, what is
// written also belongs to the folder's owner.
func TestLinksAreNotFollowed(t *testing.T) {
	dir, outside := t.TempDir(), filepath.Join(t.TempDir(), "victim")
	if err := os.WriteFile(outside, []byte("text of root"), 0o600); err != nil {
		t.Fatal(err)
	}
	owner := os.Geteuid()
	if owner == 0 {
		owner = 65534
		if err := os.Chown(dir, owner, owner); err != nil {
			t.Fatal(err)
		}
	}
	absent := outside + "-lock"
	for name, target := range map[string]string{"secret.new": outside, "secret": outside, "lock": absent, "read": outside} {
		if err := os.Symlink(target, filepath.Join(dir, name)); err != nil {
			t.Fatal(err)
		}
	}
	if content, err := ReadFile(filepath.Join(dir, "read")); err == nil {
		t.Errorf("a link was read: %s", content)
	}
	if _, err := NewLock(filepath.Join(dir, "lock")); err == nil {
		t.Error("a lock follows a link")
	}
	if _, err := os.Stat(absent); err == nil {
		t.Error("a lock was made outside of its folder")
	}
	path := filepath.Join(dir, "secret")
	if err := WriteDurably(path, "secret"); err != nil {
		t.Fatal(err)
	}
	if content, err := os.ReadFile(outside); err != nil || string(content) != "text of root" {
		t.Errorf("the file outside is %q: %v", content, err)
	}
	content, err := ReadFile(path)
	info, statErr := os.Lstat(path)
	if err != nil || statErr != nil || string(content) != "secret" || !info.Mode().IsRegular() {
		t.Fatalf("the file is %q: %v %v", content, err, statErr)
	}
	if of, ok := info.Sys().(*syscall.Stat_t); !ok || int(of.Uid) != owner {
		t.Errorf("the file does not belong to %d, the owner of its folder", owner)
	}
}
