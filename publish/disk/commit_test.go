package disk

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
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
	c := &Committer{Options: Options{Broken: broken}, files: blockFiles{folder: folder, flush: flush, index: -1}}
	t.Cleanup(func() { _ = c.Close() })
	if err := c.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	return c, folder, broken
}

// Whatever the server does to its blocks, the committer syncs those that may hold new messages.
func TestCommitFollowsTheBlocks(t *testing.T) {
	c, folder, _ := committer(t)
	commit := func(wantIndex int) {
		t.Helper()
		if err := c.Commit(t.Context()); err != nil {
			t.Fatal(err)
		}
		if c.files.index != wantIndex || filepath.Base(c.files.current.Name()) != blockName(wantIndex) {
			t.Fatalf("the current block is %d, not %d", c.files.index, wantIndex)
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
	held, err := c.files.current.Stat()
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
	if err := c.Commit(t.Context()); err != nil || c.files.index != 5 {
		t.Errorf("the current block is %d: %v", c.files.index, err)
	}
}

// A caller whose context ends leaves, even the first one, and the others are not affected: syncs continue, one at a time, and a later
// caller waits for one that began after it joined.
func TestCommitEndsWithItsContext(t *testing.T) {
	c, _, _ := committer(t)
	hang, begun := make(chan struct{}), make(chan struct{}, 16)
	c.files.flush = func(file *os.File) error {
		begun <- struct{}{}
		<-hang
		return flush(file)
	}
	for range 3 { // the first leads, the others join the next group
		ctx, cancel := context.WithCancel(t.Context())
		left := make(chan error)
		go func() { left <- c.Commit(ctx) }()
		if len(begun) == 0 {
			begun <- <-begun
		}
		cancel()
		if err := <-left; !errors.Is(err, context.Canceled) {
			t.Errorf("a caller whose time is over: %v", err)
		}
	}
	waits := make(chan error)
	go func() { waits <- c.Commit(context.Background()) }()
	select {
	case err := <-waits:
		t.Fatalf("it was answered before its sync: %v", err)
	case <-time.After(20 * time.Millisecond):
	}
	if len(begun) != 1 {
		t.Errorf("%d syncs began while the disk hangs", len(begun))
	}
	close(hang)
	if err := <-waits; err != nil {
		t.Error(err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
}

// A sync that fails after its callers have left fails those who come later.
func TestCommitRemembersALateFailure(t *testing.T) {
	c, _, broken := committer(t)
	hang := make(chan struct{})
	c.files.flush = func(*os.File) error {
		<-hang
		return finalError{errors.New("input/output error")}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := c.Commit(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("a caller whose time is over: %v", err)
	}
	close(hang)
	if reason := <-broken; !strings.Contains(reason, "input/output error") {
		t.Errorf("the owner received %q", reason)
	}
	c.files.flush = flush
	for range 2 {
		if err := c.Commit(t.Context()); err == nil || !strings.Contains(err.Error(), "input/output error") {
			t.Errorf("after a failure it commits again: %v", err)
		}
	}
}

// Those who come while another one syncs in its own goroutine share the next sync, which begins when that one has ended.
func TestCommitHereHandsOver(t *testing.T) {
	c, _, _ := committer(t)
	hang, begun := make(chan struct{}), make(chan struct{}, 16)
	c.files.flush = func(file *os.File) error {
		begun <- struct{}{}
		<-hang
		return flush(file)
	}
	results := make(chan error)
	go func() { results <- c.CommitHere(t.Context()) }()
	<-begun
	for range 3 {
		go func() { results <- c.CommitHere(t.Context()) }()
		go func() { results <- c.CommitAll(t.Context()) }()
	}
	for waiting := 0; waiting < 6; {
		c.mu.Lock()
		if c.next != nil {
			waiting = c.next.waiting
		}
		c.mu.Unlock()
	}
	if len(begun) > 0 {
		t.Error("two syncs at a time")
	}
	close(hang)
	for range 7 {
		if err := <-results; err != nil {
			t.Error(err)
		}
	}
	if err := c.Close(); err != nil || len(begun) < 2 {
		t.Errorf("%d syncs began: %v", len(begun), err)
	}
}
