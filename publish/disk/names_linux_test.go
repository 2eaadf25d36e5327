package disk

import (
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"
)

// settledCommitter is a committer that need not look names up, in a folder below another one.
func settledCommitter(t *testing.T) (c *Committer, folder string) {
	t.Helper()
	folder = filepath.Join(t.TempDir(), "stream", "msgs")
	must(t, os.MkdirAll(folder, 0o700))
	write(t, folder, "1.blk", "one")
	c = &Committer{files: blockFiles{folder: folder, flush: flush, index: -1}}
	t.Cleanup(func() { _ = c.Close() })
	known(t, c)
	return c, folder
}

// known commits until names need not be looked up.
func known(t *testing.T, c *Committer) {
	t.Helper()
	for !c.files.names.known {
		must(t, c.Commit(t.Context()))
		time.Sleep(time.Millisecond)
	}
	c.files.names.at = time.Now().Add(time.Hour) // however slow the machine is, they are not looked up again by time
}

// Without looking names up a commit sees what happens to its block and its folder: a commit after it goes the long way.
func TestOpenFilesShowChanges(t *testing.T) {
	for name, change := range map[string]func(t *testing.T, folder string){
		"a new block":  func(t *testing.T, folder string) { write(t, folder, "2.blk", "two") },
		"no block":     func(t *testing.T, folder string) { must(t, os.Remove(filepath.Join(folder, "1.blk"))) },
		"no folder":    func(t *testing.T, folder string) { must(t, os.RemoveAll(folder)) },
		"folder moved": func(t *testing.T, folder string) { must(t, os.Rename(folder, folder+".old")) },
		"folder turned": func(t *testing.T, folder string) {
			must(t, os.Rename(folder, folder+".old"))
			must(t, os.Mkdir(folder, 0o700))
		},
		"block replaced": func(t *testing.T, folder string) {
			write(t, folder, "new", "something else")
			must(t, os.Rename(filepath.Join(folder, "new"), filepath.Join(folder, "1.blk")))
		},
		"block moved": func(t *testing.T, folder string) {
			must(t, os.Rename(filepath.Join(folder, "1.blk"), filepath.Join(folder, "1.old")))
		},
	} {
		t.Run(name, func(t *testing.T) {
			c, folder := settledCommitter(t)
			if !c.files.names.same(c.files.current) {
				t.Fatal("names are looked up although nothing has changed")
			}
			change(t, folder)
			if c.files.names.same(c.files.current) {
				t.Error("the change is not seen")
			}
		})
	}
}

// What no open file shows, such as another folder further up, is seen when names are looked up again, soon.
func TestNamesAreLookedUpAgain(t *testing.T) {
	c, folder := settledCommitter(t)
	must(t, os.Rename(filepath.Dir(folder), filepath.Dir(folder)+".old"))
	must(t, c.Commit(t.Context()))
	c.files.names.at = time.Now().Add(-lookupEvery)
	if err := c.files.sync(); err == nil {
		t.Error("it commits to a folder that is not there")
	}
}

// A block that the server begins while names are not looked up is synced by the next commit, with its folder.
func TestCommitFollowsABlockWithoutLookups(t *testing.T) {
	c, folder := settledCommitter(t)
	var synced []string
	c.files.flush = func(file *os.File) error {
		synced = append(synced, filepath.Base(file.Name()))
		return flush(file)
	}
	must(t, c.CommitHere(t.Context()))
	write(t, folder, "2.blk", "two")
	must(t, c.CommitHere(t.Context()))
	if want := []string{"1.blk", "1.blk", "2.blk", "msgs"}; !slices.Equal(synced, want) {
		t.Errorf("synced %v, want %v", synced, want)
	}
	known(t, c)
	synced = nil
	must(t, c.CommitHere(t.Context()))
	if want := []string{"2.blk"}; !slices.Equal(synced, want) {
		t.Errorf("synced %v, want %v", synced, want)
	}
}
