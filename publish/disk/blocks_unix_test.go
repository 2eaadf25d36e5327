//go:build unix

package disk

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"
)

// openNothing keeps this process from opening any file until the function that it returns is called.
func openNothing(t *testing.T) (again func()) {
	t.Helper()
	var limit syscall.Rlimit
	must(t, syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit))
	none := limit
	none.Cur = 0
	must(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &none))
	again = func() { must(t, syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit)) }
	t.Cleanup(again)
	return again
}

// A lack of file descriptors loses nothing: the sync is repeated until the caller's context ends, and the next call commits what this
// one could not.
func TestCommitWithoutDescriptors(t *testing.T) {
	c, folder, broken := committer(t)
	write(t, folder, "2.blk", "two")
	again := openNothing(t)
	if err := c.repeatedCommit(t); !errors.Is(err, syscall.EMFILE) || !errors.Is(err, context.Canceled) {
		t.Errorf("without descriptors: %v", err)
	}
	all := make(chan error)
	go func() { all <- c.CommitAll(t.Context()) }()
	for deadline := time.Now().Add(20 * time.Second); c.repeats() == nil; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("the sync is not repeated")
		}
	}
	again()
	if err := <-all; err != nil || c.files.index != 2 {
		t.Errorf("with descriptors, block %d: %v", c.files.index, err)
	}
	if len(broken) > 0 {
		t.Errorf("the owner received %q", <-broken)
	}
}

// repeatedCommit returns the error of a Commit whose caller leaves once the sync is being repeated.
func (c *Committer) repeatedCommit(t *testing.T) error {
	ctx, leave := context.WithCancel(t.Context())
	defer leave()
	failed := make(chan error)
	go func() { failed <- c.Commit(ctx) }()
	for c.repeats() == nil {
		time.Sleep(time.Millisecond)
	}
	leave()
	return <-failed
}

// repeats returns why the sync under way is repeated; nil: it is not.
func (c *Committer) repeats() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.delay
}

// A folder that could not be opened after its new block was synced is synced before the next answer.
func TestCommitWithoutDescriptorsForTheFolder(t *testing.T) {
	c, folder, _ := committer(t)
	write(t, folder, "2.blk", "two")
	var again func()
	synced := 0
	c.files.flush = func(file *os.File) error {
		if filepath.Base(file.Name()) == "2.blk" && again == nil {
			again = openNothing(t)
		}
		if file.Name() == folder {
			synced++
		}
		return flush(file)
	}
	if err := c.repeatedCommit(t); !errors.Is(err, syscall.EMFILE) {
		t.Errorf("without descriptors: %v", err)
	}
	c.syncer.Wait()
	again()
	synced = 0
	c.files.flush = func(file *os.File) error {
		if file.Name() == folder {
			synced++
		}
		return flush(file)
	}
	must(t, c.Commit(t.Context()))
	if synced != 1 {
		t.Errorf("the folder was synced %d times", synced)
	}
}
