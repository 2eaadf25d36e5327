package disk

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// Once the newest block or its folder is missing, every commit fails, and the owner receives the error: what the server writes to a
// removed file is lost when it stops.
func TestCommitFailsWithoutItsBlock(t *testing.T) {
	for name, remove := range map[string]func(t *testing.T, folder string){
		"the block":          func(t *testing.T, folder string) { must(t, os.Remove(filepath.Join(folder, "1.blk"))) },
		"the folder":         func(t *testing.T, folder string) { must(t, os.RemoveAll(folder)) },
		"an empty new one":   func(t *testing.T, folder string) { must(t, os.RemoveAll(folder)); must(t, os.Mkdir(folder, 0o700)) },
		"moved out of sight": func(t *testing.T, folder string) { must(t, os.Rename(folder, folder+".old")) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				c, folder, broken := committer(t)
				remove(t, folder)
				if err := c.Commit(t.Context()); err == nil {
					t.Fatal("it committed to what is not there")
				}
				if reason := <-broken; !strings.Contains(reason, folder) || !strings.Contains(reason, "is gone") {
					t.Errorf("the owner received %q", reason)
				}
				must(t, os.MkdirAll(folder, 0o700))
				write(t, folder, "1.blk", "one")
				if c.Commit(t.Context()) == nil || c.CommitAll(t.Context()) == nil {
					t.Error("after a failure it commits again")
				}
			})
		})
	}
}

// A purge moves the folder away and then creates another one. A sync in between is repeated.
func TestCommitWaitsForAPurge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, folder, _ := committer(t)
		must(t, os.Rename(folder, folder+".old"))
		done := make(chan error)
		go func() { done <- c.Commit(t.Context()) }()
		synctest.Wait()
		must(t, os.Mkdir(folder, 0o700))
		write(t, folder, "2.blk", "two")
		if err := <-done; err != nil || c.files.index != 2 {
			t.Errorf("block %d: %v", c.files.index, err)
		}
	})
}

// A file that replaces the current block is the server's own only if the server no longer writes to the old one.
func TestCommitKnowsAnOddBlock(t *testing.T) {
	replace := func(t *testing.T, folder string) {
		write(t, folder, "1.new", "something else")
		must(t, os.Rename(filepath.Join(folder, "1.new"), filepath.Join(folder, "1.blk")))
	}
	c, folder, broken := committer(t)
	server, err := os.OpenFile(filepath.Join(folder, "1.blk"), os.O_RDWR|os.O_APPEND, 0)
	must(t, err)
	defer func() { _ = server.Close() }()
	replace(t, folder)
	must(t, c.Commit(t.Context()))
	if _, err := server.WriteString("a message"); err != nil {
		t.Fatal(err)
	}
	if err := c.Commit(t.Context()); err == nil || !strings.Contains(<-broken, "was replaced") {
		t.Errorf("the server writes to a file without a name: %v", err)
	}

	c, folder, _ = committer(t)
	old, err := os.Stat(filepath.Join(folder, "1.blk"))
	must(t, err)
	replace(t, folder)
	must(t, os.Chtimes(filepath.Join(folder, "1.blk"), old.ModTime(), old.ModTime().Add(-1)))
	if err := c.Commit(t.Context()); err == nil {
		t.Error("an older file under the current block's name replaces it")
	}
}

// A new block is found after a power cut only if its folder was synced before the answer; the same holds for a replaced one.
func TestCommitSyncsTheFolder(t *testing.T) {
	c, folder, _ := committer(t)
	var synced []string
	c.files.flush = func(file *os.File) error {
		synced = append(synced, filepath.Base(file.Name()))
		return flush(file)
	}
	commit := func(want ...string) {
		t.Helper()
		synced = nil
		must(t, c.Commit(t.Context()))
		if !slices.Equal(synced, want) {
			t.Errorf("synced %v, want %v", synced, want)
		}
	}
	top := filepath.Base(folder)
	commit("1.blk")
	write(t, folder, "2.blk", "two")
	write(t, folder, "3.blk", "three")
	commit("1.blk", "2.blk", "3.blk", top)
	commit("3.blk")
	write(t, folder, "3.tmp", "three again")
	must(t, os.Rename(filepath.Join(folder, "3.tmp"), filepath.Join(folder, "3.blk")))
	commit("3.blk", top)
	commit("3.blk")
	synced = nil
	must(t, c.CommitAll(t.Context()))
	if want := []string{"3.blk", top, "1.blk", "2.blk", "3.blk"}; !slices.Equal(synced, want) {
		t.Errorf("after a deletion synced %v, want %v", synced, want)
	}
}

// A failed sync is final: a later one may succeed without what this one lost.
func TestRefusedSyncIsFinal(t *testing.T) {
	reader, writer, err := os.Pipe() // which cannot be synced
	must(t, err)
	defer func() { _, _ = reader.Close(), writer.Close() }()
	var final finalError
	if err := flush(writer); !errors.As(err, &final) {
		t.Errorf("a refused sync: %v", err)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// A block that appears within the same tick as the listing before it is synced all the same, even if the disk takes so long meanwhile that
// the tick is over for a while when the commit ends.
func TestCommitSeesABlockOfTheSameTickOnASlowDisk(t *testing.T) {
	c, folder, _ := committer(t)
	tick := time.Now().Add(200 * time.Millisecond) // however slow the machine is, it is not old when the commit begins
	turn := func() { must(t, os.Chtimes(folder, tick, tick)) }
	turn()
	c.files.flush = func(file *os.File) error {
		c.files.flush = flush
		write(t, folder, "2.blk", "two")
		turn()
		time.Sleep(time.Until(tick.Add(2 * settled)))
		return flush(file)
	}
	must(t, c.Commit(t.Context()))
	must(t, c.Commit(t.Context()))
	if c.files.index != 2 {
		t.Errorf("block %d is current: the next one was not synced", c.files.index)
	}
}

// A block that appears within the same tick of the file system's clock as the listing before it is synced all the same.
func TestCommitSeesABlockOfTheSameTick(t *testing.T) {
	c, folder, _ := committer(t)
	tick := time.Now().Add(time.Minute) // however long the test takes, it is not old
	must(t, os.Chtimes(folder, tick, tick))
	must(t, c.Commit(t.Context()))
	write(t, folder, "2.blk", "two")
	must(t, os.Chtimes(folder, tick, tick))
	if must(t, c.Commit(t.Context())); c.files.index != 2 {
		t.Errorf("the last synced block is %d", c.files.index)
	}
}
