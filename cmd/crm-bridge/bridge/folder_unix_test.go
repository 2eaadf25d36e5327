//go:build unix

package bridge

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/config"
)

// Root opens no folder of another user, whose bridge could not start afterwards, and touches nothing in it; also not where that user put
// a link to a folder of root in the place of the streams. Any other user, who can make no such folder, opens its own.
func TestRootOpensOnlyItsOwnFolder(t *testing.T) {
	const other = 65534
	elsewhere := t.TempDir()
	for name, prepare := range map[string]func(dir string) error{
		"the folder of another user": func(dir string) error { return os.Lchown(dir, other, other) },
		"with streams of that user": func(dir string) error {
			streams := filepath.Join(dir, "jetstream")
			if err := os.Mkdir(streams, 0o700); err != nil {
				return err
			}
			return os.Lchown(streams, other, other)
		},
		"with a link in the place of the streams": func(dir string) error {
			if err := os.Symlink(elsewhere, filepath.Join(dir, "jetstream")); err != nil {
				return err
			}
			return os.Lchown(dir, other, other)
		},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			if os.Geteuid() != 0 {
				open(t, dir)
				return
			}
			if err := prepare(dir); err != nil {
				t.Fatal(err)
			}
			before, err := os.ReadDir(dir)
			if err != nil {
				t.Fatal(err)
			}
			folder, err := OpenFolder(t.Context(), config.Settings{DataDir: dir})
			if err == nil {
				folder.Close()
				t.Fatal("root opened it")
			}
			if !strings.Contains(err.Error(), "belongs to user 65534: run the command as that user") {
				t.Error(err)
			}
			if after, err := os.ReadDir(dir); err != nil || len(after) != len(before) {
				t.Errorf("it holds %v, and held %v: %v", after, before, err)
			}
			if held, err := os.ReadDir(elsewhere); err != nil || len(held) > 0 {
				t.Errorf("elsewhere there is %v: %v", held, err)
			}
		})
	}
	open(t, t.TempDir())
}

// open opens a folder of this user, and closes it.
func open(t *testing.T, dir string) {
	t.Helper()
	folder, err := OpenFolder(t.Context(), config.Settings{DataDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	folder.Close()
}
