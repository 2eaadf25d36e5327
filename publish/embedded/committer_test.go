package embedded

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/crm-bridge/crm-bridge/publish/disk"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// openStream returns a stream of a server, a Committer of it, and functions that publish to the stream and list its blocks.
func openStream(t *testing.T, config jetstream.StreamConfig) (*disk.Committer, jetstream.Stream, func(bytes int), func() []string) {
	t.Helper()
	dir := t.TempDir()
	server, err := Open(t.Context(), Config{Dir: dir, OwnerPass: "x", MaxPayload: 8 << 20, Log: slog.New(slog.DiscardHandler)})
	must(t, err)
	t.Cleanup(server.Close)
	conn, err := server.Connect()
	must(t, err)
	t.Cleanup(conn.Close)
	config.Name, config.Subjects, config.Storage = "CRM", []string{"crm.>"}, jetstream.FileStorage
	stream, err := conn.JetStream().CreateStream(t.Context(), config)
	must(t, err)
	c, err := server.Committer("CRM")
	must(t, err)
	t.Cleanup(func() { _ = c.Close() })
	return c, stream, func(bytes int) {
			t.Helper()
			_, err := conn.JetStream().Publish(t.Context(), "crm.x", make([]byte, bytes))
			must(t, err)
		}, func() []string {
			blocks, err := filepath.Glob(filepath.Join(dir, "jetstream", "$G", "streams", "CRM", "msgs", "*.blk"))
			must(t, err)
			return blocks
		}
}

// Whatever is dropped from a stream, what it stores next is committed: blocks at a limit, the last message of a work queue, one
// message, all of them.
func TestCommitAfterTheServerDropped(t *testing.T) {
	c, stream, publish, blocks := openStream(t, jetstream.StreamConfig{MaxBytes: 2 << 20})
	first := blocks()
	for i := range 40 {
		publish(300 << 10)
		if i%8 != 0 { // else more is dropped between two commits than the stream holds
			continue
		}
		must(t, c.Commit(t.Context()))
	}
	if now := blocks(); slices.Contains(now, first[0]) {
		t.Fatalf("no block was dropped: %v", now)
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
	c, _, publish, blocks := openStream(t, jetstream.StreamConfig{MaxBytes: 64 << 20})
	publish(100)
	must(t, c.Commit(t.Context()))
	must(t, os.Remove(blocks()[0]))
	for range 4 {
		publish(7 << 20)
	}
	if len(blocks()) == 0 {
		t.Fatal("there is no newer block")
	}
	if err := c.Commit(t.Context()); err == nil || !strings.Contains(fmt.Sprint(err), "is gone") {
		t.Errorf("the first block was removed: %v", err)
	}
}

// The embedded server has the layout that a committer relies on; if it had not, the check would fail.
func TestCheckLayout(t *testing.T) {
	server, err := Open(t.Context(), Config{Dir: t.TempDir(), Listen: "127.0.0.1:0", OwnerPass: "x", MaxPayload: 1 << 20, Log: slog.New(slog.DiscardHandler)})
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
	if _, err := conn.JetStream().Stream(t.Context(), "CRM_PROBE"); err == nil {
		t.Error("the probe's stream is left behind")
	}
	server.config.Dir = t.TempDir() // where no block is
	if err := server.CheckLayout(t.Context(), conn, "CRM_PROBE"); err == nil {
		t.Error("a store without blocks passes the check")
	}
}
