package disk

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// warned is a log of a server, of which only warnings and errors are kept.
type warned struct {
	mu    sync.Mutex
	lines []string
}

func (w *warned) Noticef(string, ...any) {}
func (w *warned) Debugf(string, ...any)  {}
func (w *warned) Tracef(string, ...any)  {}
func (w *warned) Warnf(format string, args ...any) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.lines = append(w.lines, fmt.Sprintf(format, args...))
}
func (w *warned) Errorf(format string, args ...any) { w.Warnf(format, args...) }
func (w *warned) Fatalf(format string, args ...any) { w.Warnf(format, args...) }

// serving runs a server on a folder while do runs, and returns what it warned of.
func serving(t *testing.T, dir string, do func(js jetstream.JetStream)) []string {
	t.Helper()
	s, err := server.NewServer(&server.Options{DontListen: true, NoSigs: true, JetStream: true, StoreDir: dir})
	if err != nil {
		t.Fatal(err)
	}
	log := &warned{}
	s.SetLoggerV2(log, false, false, false)
	go s.Start()
	if !s.ReadyForConnections(10*time.Second) || !s.JetStreamEnabled() {
		t.Fatal("the server does not start")
	}
	conn, err := nats.Connect("", nats.InProcessServer(s))
	if err != nil {
		t.Fatal(err)
	}
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	do(js)
	conn.Close()
	s.Shutdown()
	s.WaitForShutdown()
	log.mu.Lock()
	defer log.mu.Unlock()
	return log.lines
}

// filled makes a stream of several blocks, with 15 MB of messages if its limit does not drop the first of them, and returns the
// folder of its blocks.
func filled(t *testing.T, dir string, subjects int, limit int64, compression jetstream.StoreCompression) string {
	t.Helper()
	serving(t, dir, func(js jetstream.JetStream) {
		_, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "CRM", Subjects: []string{"crm.>"}, MaxBytes: limit, Compression: compression})
		if err != nil {
			t.Fatal(err)
		}
		for n := range 2000 {
			msg := &nats.Msg{Subject: fmt.Sprint("crm.acme.Deals.op", n%subjects), Data: bytes.Repeat([]byte("x"), 10*(n%1500))}
			if n%3 == 0 {
				msg.Header = nats.Header{"content-type": {"application/json"}}
			}
			if n == 1500 {
				msg.Data = bytes.Repeat([]byte("y"), scanWindow+1)
			}
			if _, err := js.PublishMsg(t.Context(), msg); err != nil {
				t.Fatal(err)
			}
		}
	})
	return blocksOf(dir, "CRM")
}

// stateOf returns what a server says of the stream, and of what it warned at its start.
func stateOf(t *testing.T, dir string) (state jetstream.StreamState, warnings []string) {
	t.Helper()
	warnings = serving(t, dir, func(js jetstream.JetStream) {
		stream, err := js.Stream(t.Context(), "CRM")
		if err != nil {
			t.Fatal(err)
		}
		info, err := stream.Info(t.Context(), jetstream.WithSubjectFilter(">"), jetstream.WithDeletedDetails(true))
		if err != nil {
			t.Fatal(err)
		}
		state = info.State
	})
	return state, warnings
}

// The index that is written of a stream is the one that the server writes when it closes it: with one subject to the byte. The
// server opens the stream by it as it would by its own.
func TestReindexWritesWhatTheServerWrites(t *testing.T) {
	for _, of := range []struct {
		subjects int
		limit    int64
	}{{1, 20 << 20}, {300, 20 << 20}, {300, 10 << 20}} {
		dir, subjects, drops := t.TempDir(), of.subjects, of.limit < 15<<20
		folder := filled(t, dir, subjects, of.limit, jetstream.NoCompression)
		want, _ := stateOf(t, dir)
		index := filepath.Join(folder, stateFile)
		own, err := os.ReadFile(index)
		if err != nil {
			t.Fatal(err)
		}
		if done, err := reindex(folder, "CRM", 0); done || err != nil {
			t.Fatalf("a current index was written again: %t %v", done, err)
		}
		if err := os.WriteFile(index, own[:len(own)-20], 0o600); err != nil {
			t.Fatal(err)
		}
		if done, err := reindex(folder, "CRM", 0); !done || err != nil {
			t.Fatalf("it was not written: %t %v", done, err)
		}
		got, err := os.ReadFile(index)
		// Of the first block it has what the limit had dropped too, which the server then drops again.
		if err != nil || !drops && len(got) != len(own) || subjects == 1 && !bytes.Equal(got, own) {
			t.Errorf("%+v: %d bytes, where the server writes %d, or others: %v", of, len(got), len(own), err)
		}
		have, warnings := stateOf(t, dir)
		if diff := cmp.Diff(want, have); diff != "" || len(warnings) > 0 {
			t.Errorf("%+v: the server warns of %q and reads %s", of, warnings, diff)
		}
		if want.FirstSeq == 1 == drops || want.NumSubjects != uint64(subjects) {
			t.Errorf("the stream is not as it was meant: %+v", want)
		}
	}
}

// What is not plain messages without gaps is left to the server: deletions, damage, compression, a block that is missing.
func TestReindexLeavesToTheServer(t *testing.T) {
	change := func(at int, to func(byte) byte) func(*testing.T, string, string) {
		return func(t *testing.T, _, folder string) {
			path := newestBlock(t, folder)
			text, err := os.ReadFile(path)
			if err == nil {
				at := (at + len(text)) % len(text)
				text[at] = to(text[at])
				err = os.WriteFile(path, text, 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	flip := func(b byte) byte { return b ^ 1 }
	for name, spoil := range map[string]func(t *testing.T, dir, folder string){
		"a checksum":    change(-1, flip),
		"a body":        change(-20, flip),
		"a length":      change(0, flip),
		"a deletion":    func(t *testing.T, dir, _ string) { deleting(t, dir, false) },
		"an erasure":    func(t *testing.T, dir, _ string) { deleting(t, dir, true) },
		"a lost block":  func(t *testing.T, _, folder string) { remove(t, blockBefore(t, folder)) },
		"a cut message": func(t *testing.T, _, folder string) { truncate(t, newestBlock(t, folder)) },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			folder := filled(t, dir, 3, 20<<20, jetstream.NoCompression)
			spoil(t, dir, folder)
			remove(t, filepath.Join(folder, stateFile))
			if done, err := reindex(folder, "CRM", 0); done || err != nil {
				t.Errorf("written: %t, %v", done, err)
			}
		})
	}
	folder := filled(t, t.TempDir(), 3, 20<<20, jetstream.S2Compression)
	remove(t, filepath.Join(folder, stateFile))
	if done, err := reindex(folder, "CRM", 0); done || err != nil {
		t.Errorf("compressed: %t, %v", done, err)
	}
}

// Where an earlier index knows of messages that a power cut took, the server gives none of their sequences again: consumers may have seen
// them.
func TestReindexKeepsTheLastSequence(t *testing.T) {
	dir := t.TempDir()
	folder := filled(t, dir, 3, 20<<20, jetstream.NoCompression)
	remove(t, newestBlock(t, folder))
	if done, err := reindex(folder, "CRM", 0); done || err != nil {
		t.Errorf("written: %t, %v", done, err)
	}
	if state, _ := stateOf(t, dir); state.LastSeq != 2000 || state.Msgs >= 2000 {
		t.Errorf("the last sequence is not that of the 2000th message: %+v", state)
	}
}

// A store without streams, and a small stream, need no index.
func TestReindexNeedsALargeStream(t *testing.T) {
	if written, err := Reindex(t.TempDir()); len(written) > 0 || err != nil {
		t.Errorf("without streams: %v %v", written, err)
	}
	dir := t.TempDir()
	remove(t, filepath.Join(filled(t, dir, 3, 20<<20, jetstream.NoCompression), stateFile))
	if written, err := Reindex(dir); len(written) > 0 || err != nil {
		t.Errorf("of a small stream: %v %v", written, err)
	}
}

func deleting(t *testing.T, dir string, erase bool) {
	serving(t, dir, func(js jetstream.JetStream) {
		stream, err := js.Stream(t.Context(), "CRM")
		if err == nil && erase {
			err = stream.SecureDeleteMsg(t.Context(), 1990)
		} else if err == nil {
			err = stream.DeleteMsg(t.Context(), 1990)
		}
		if err != nil {
			t.Fatal(err)
		}
	})
}

func newestBlock(t *testing.T, folder string) string { return block(t, folder, 1) }
func blockBefore(t *testing.T, folder string) string { return block(t, folder, 2) }

func block(t *testing.T, folder string, fromEnd int) string {
	t.Helper()
	numbers, err := (&blockFiles{folder: folder, index: -1}).newer()
	if err != nil || len(numbers) < 3 {
		t.Fatalf("blocks %v: %v", numbers, err)
	}
	return filepath.Join(folder, blockName(numbers[len(numbers)-fromEnd]))
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.Remove(path); err != nil && !strings.HasSuffix(path, stateFile) {
		t.Fatal(err)
	}
}

func truncate(t *testing.T, path string) {
	t.Helper()
	info, err := os.Stat(path)
	if err == nil {
		err = os.Truncate(path, info.Size()-5)
	}
	if err != nil {
		t.Fatal(err)
	}
}
