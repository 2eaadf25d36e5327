package publish

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go/jetstream"
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
				if c.Commit(t.Context()) == nil || c.CommitAll(t.Context()) == nil || c.Ready(t.Context()) == nil {
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

// embedded returns a server with a stream, a Committer of it, and a function that publishes to the stream.
func embedded(t *testing.T, config jetstream.StreamConfig) (*Committer, jetstream.Stream, func(bytes int)) {
	t.Helper()
	server, err := OpenServer(t.Context(), ServerConfig{Dir: t.TempDir(), OwnerPass: "x", MaxPayload: 8 << 20, Log: slog.New(slog.DiscardHandler)})
	must(t, err)
	t.Cleanup(server.Close)
	conn, err := server.Connect()
	must(t, err)
	t.Cleanup(conn.Close)
	config.Name, config.Subjects, config.Storage = "CRM", []string{"crm.>"}, jetstream.FileStorage
	stream, err := conn.js.CreateStream(t.Context(), config)
	must(t, err)
	c, err := server.Committer("CRM", nil)
	must(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return c, stream, func(bytes int) {
		t.Helper()
		_, err := conn.js.Publish(t.Context(), "crm.x", make([]byte, bytes))
		must(t, err)
	}
}

// Whatever is dropped from a stream, what it stores next is committed: blocks at a limit, the last message of a work queue, one
// message, all of them.
func TestCommitAfterTheServerDropped(t *testing.T) {
	c, stream, publish := embedded(t, jetstream.StreamConfig{MaxBytes: 2 << 20})
	for i := range 40 {
		publish(300 << 10)
		if i%8 != 0 { // else more is dropped between two commits than the stream holds
			continue
		}
		must(t, c.Commit(t.Context()))
	}
	if c.files.index < 3 {
		t.Fatalf("%d blocks are too few to show anything", c.files.index)
	}
	for step, drop := range map[string]func() error{
		"purge": func() error { return stream.Purge(t.Context()) },
		"purge up to the last": func() error {
			return stream.Purge(t.Context(), jetstream.WithPurgeKeep(1))
		},
		"delete the last": func() error {
			info, err := stream.Info(t.Context())
			if err != nil {
				return err
			}
			return stream.DeleteMsg(t.Context(), info.State.LastSeq)
		},
		"erase the last": func() error {
			info, err := stream.Info(t.Context())
			if err != nil {
				return err
			}
			return stream.SecureDeleteMsg(t.Context(), info.State.LastSeq)
		},
	} {
		for _, size := range []int{100, 1 << 20} {
			publish(size)
			must(t, c.Commit(t.Context()))
			must(t, drop())
			if err := c.CommitAll(t.Context()); err != nil {
				t.Fatalf("%s: %v", step, err)
			}
			publish(size)
			if err := c.Commit(t.Context()); err != nil {
				t.Fatalf("%s: %v", step, err)
			}
		}
	}
}

// A removed block is not mistaken for one that the stream dropped, even if a newer one exists when it is noticed.
func TestCommitMissesABlockThatIsNotDropped(t *testing.T) {
	c, _, publish := embedded(t, jetstream.StreamConfig{MaxBytes: 64 << 20})
	publish(100)
	must(t, c.Commit(t.Context()))
	must(t, os.Remove(c.files.current.Name()))
	for range 4 {
		publish(7 << 20)
	}
	if blocks, err := filepath.Glob(filepath.Join(c.files.folder, "*.blk")); err != nil || len(blocks) == 0 {
		t.Fatalf("there is no newer block: %v", err)
	}
	if err := c.Commit(t.Context()); err == nil || !strings.Contains(fmt.Sprint(err), "is gone") {
		t.Errorf("the first block was removed: %v", err)
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
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
