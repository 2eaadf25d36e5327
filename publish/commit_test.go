package publish

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
)

// write puts a block where the server would.
func write(t *testing.T, folder, name, content string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(folder, name), []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

func committer(t *testing.T) (*Committer, string, chan string) {
	t.Helper()
	folder, broken := t.TempDir(), make(chan string, 1)
	write(t, folder, "1.blk", "one")
	c := &Committer{blocks: folder, index: -1, broken: broken}
	if err := c.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	return c, folder, broken
}

// Whatever the server does to its blocks, the committer syncs those that may hold something new.
func TestCommitFollowsTheBlocks(t *testing.T) {
	c, folder, _ := committer(t)
	commit := func(wantIndex int) {
		t.Helper()
		if err := c.Commit(t.Context()); err != nil {
			t.Fatal(err)
		}
		if c.index != wantIndex || filepath.Base(c.current.Name()) != blockName(wantIndex) {
			t.Fatalf("the current block is %d, not %d", c.index, wantIndex)
		}
	}
	commit(1)
	write(t, folder, "index.db", "state")
	commit(1)
	write(t, folder, "2.blk", "two")
	commit(2)
	write(t, folder, "3.blk", "three")
	write(t, folder, "4.blk", "four")
	if err := os.Remove(filepath.Join(folder, "1.blk")); err != nil {
		t.Fatal(err)
	}
	commit(4)

	// A deletion inside the current block makes the server put another file in its place.
	write(t, folder, "4.tmp", "four again")
	if err := os.Rename(filepath.Join(folder, "4.tmp"), filepath.Join(folder, "4.blk")); err != nil {
		t.Fatal(err)
	}
	commit(4)
	named, err := os.Stat(filepath.Join(folder, "4.blk"))
	if err != nil {
		t.Fatal(err)
	}
	held, err := c.current.Stat()
	if err != nil || !os.SameFile(held, named) {
		t.Errorf("it still syncs the file that was replaced: %v", err)
	}

	// A stream at its limit drops whole blocks, also the current one.
	write(t, folder, "5.blk", "five")
	for _, name := range []string{"2.blk", "3.blk", "4.blk"} {
		if err := os.Remove(filepath.Join(folder, name)); err != nil {
			t.Fatal(err)
		}
	}
	commit(5)
}

// Many callers share few syncs, and all of them return.
func TestCommitIsShared(t *testing.T) {
	c, folder, _ := committer(t)
	var wait sync.WaitGroup
	for i := range 200 {
		wait.Go(func() {
			if i%50 == 0 {
				write(t, folder, blockName(2+i/50), "x")
			}
			if err := c.Commit(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	if err := c.Commit(t.Context()); err != nil || c.index != 5 {
		t.Errorf("the current block is %d: %v", c.index, err)
	}
}

// Once the disk has refused, nothing is called safe any more, and the owner is told: a later sync would succeed without
// what the first one lost.
func TestCommitFailsForGood(t *testing.T) {
	c, folder, broken := committer(t)
	if err := os.RemoveAll(folder); err != nil {
		t.Fatal(err)
	}
	if err := c.Commit(t.Context()); err == nil {
		t.Fatal("it committed to a folder that is not there")
	}
	if reason := <-broken; !strings.Contains(reason, "blocks") {
		t.Errorf("the owner was told %q", reason)
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		t.Fatal(err)
	}
	write(t, folder, "1.blk", "one")
	if err := c.Commit(t.Context()); err == nil {
		t.Error("after a failure it commits again")
	}
}

// Who cannot wait is told so; the others are not disturbed.
func TestCommitEndsWithItsContext(t *testing.T) {
	c, _, _ := committer(t)
	c.disk.Lock() // a sync that takes long
	leader := make(chan error, 1)
	go func() { leader <- c.Commit(context.Background()) }()
	for c.waiting() == 0 {
		runtime.Gosched()
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.Commit(ctx); err == nil {
		t.Error("it did not end with its context")
	}
	c.disk.Unlock()
	if err := <-leader; err != nil {
		t.Error(err)
	}
}

func (c *Committer) waiting() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.next == nil {
		return 0
	}
	return c.next.callers
}

// The layout that a committer rests on is that of the server that is built in; where it is not, the check says so.
func TestCheckLayout(t *testing.T) {
	server, err := OpenServer(t.Context(), ServerConfig{Dir: t.TempDir(), Listen: "127.0.0.1:0", OwnerPass: "x", MaxPayload: 1 << 20, Log: slog.New(slog.DiscardHandler)})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	conn, err := server.Connect()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if err := server.CheckLayout(t.Context(), conn, "CRM_PROBE"); err != nil {
		t.Error(err)
	}
	if _, err := conn.js.Stream(t.Context(), "CRM_PROBE"); err == nil {
		t.Error("the probe's stream is left behind")
	}
	server.config.Dir = t.TempDir() // where no block is
	if err := server.CheckLayout(t.Context(), conn, "CRM_PROBE"); err == nil {
		t.Error("a store without blocks was taken for what it should be")
	}
}
