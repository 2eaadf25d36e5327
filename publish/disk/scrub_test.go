package disk

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// states makes a stream that keeps the last message of each subject, of several blocks, with deletions of every kind.
func states(t *testing.T, js jetstream.JetStream) {
	t.Helper()
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "STATES", Subjects: []string{"s.>"}, MaxMsgsPerSubject: 1, MaxBytes: 1 << 20}); err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(1, 2))
	for i := range 1200 {
		subject := random.IntN(60)
		msg := &nats.Msg{Subject: fmt.Sprintf("s.%d", subject), Data: fmt.Appendf(nil, "%s of %d%s", textOf(subject), i, strings.Repeat("x", random.IntN(900)))}
		if i%3 == 0 {
			msg.Header = nats.Header{"name": {"value " + fmt.Sprint(i)}}
		}
		if _, err := js.PublishMsg(t.Context(), msg); err != nil {
			t.Fatal(err)
		}
	}
	stream, err := js.Stream(t.Context(), "STATES")
	if err != nil {
		t.Fatal(err)
	}
	for sequence := range held(t, js) {
		switch sequence % 10 {
		case 0:
			err = stream.DeleteMsg(t.Context(), sequence)
		case 1:
			err = stream.SecureDeleteMsg(t.Context(), sequence)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

func textOf(subject int) string {
	if subject%2 == 0 {
		return "victim"
	}
	return "other"
}

// held returns what the stream holds, by sequence.
func held(t *testing.T, js jetstream.JetStream) map[uint64]string {
	t.Helper()
	stream, err := js.Stream(t.Context(), "STATES")
	if err != nil {
		t.Fatal(err)
	}
	all, state := map[uint64]string{}, stream.CachedInfo().State
	for sequence := state.FirstSeq; sequence <= state.LastSeq; sequence++ {
		if msg, err := stream.GetMsg(t.Context(), sequence); err == nil {
			all[sequence] = fmt.Sprint(msg.Subject, msg.Header, string(msg.Data))
		}
	}
	if len(all) != int(state.Msgs) {
		t.Fatalf("of %d messages %d can be read", state.Msgs, len(all))
	}
	return all
}

// victims counts how often the text stands in the blocks.
func victims(t *testing.T, dir string) (n int) {
	t.Helper()
	blocks, err := filepath.Glob(filepath.Join(blocksOf(dir, "STATES"), "*.blk"))
	if err != nil {
		t.Fatal(err)
	}
	for _, block := range blocks {
		content, err := os.ReadFile(block)
		if err != nil {
			t.Fatal(err)
		}
		n += bytes.Count(content, []byte("victim"))
	}
	return n
}

// What a stream has deleted and a person wants gone leaves its blocks while the server runs; what it holds stays as it was: for the running
// server, after it was closed, after a kill, and when it takes more.
func TestScrub(t *testing.T) {
	dir := t.TempDir()
	var want map[uint64]string
	serving(t, dir, func(js jetstream.JetStream) {
		states(t, js)
		want = held(t, js)
		live := 0
		for _, text := range want {
			live += strings.Count(text, "victim")
		}
		before := victims(t, dir)
		if before <= live {
			t.Fatal("nothing that was deleted is in the blocks: this test is of no use")
		}
		n, err := Scrub(dir, "STATES", func(m Message) (bool, error) {
			text, ok := want[m.Sequence]
			if ok && !strings.HasPrefix(text, m.Subject) {
				t.Errorf("message %d is read as of %s, and was %s", m.Sequence, m.Subject, text)
			}
			return !ok && bytes.HasPrefix(m.Data, []byte("victim")), nil
		})
		if err != nil || n != before-live || victims(t, dir) != live {
			t.Errorf("%d messages were overwritten, %v; of %d there are %d", n, err, before, victims(t, dir))
		}
		if diff := cmp.Diff(want, held(t, js)); diff != "" {
			t.Error("the stream holds something else:\n", diff)
		}
		if _, err := js.Publish(t.Context(), "s.more", []byte("more")); err != nil {
			t.Error(err)
		}
		want = held(t, js)
	})
	for _, index := range []string{"kept", "lost"} {
		if index == "lost" {
			if err := os.Remove(filepath.Join(blocksOf(dir, "STATES"), stateFile)); err != nil {
				t.Fatal(err)
			}
		}
		for _, line := range serving(t, dir, func(js jetstream.JetStream) {
			got := held(t, js)
			for sequence, text := range got { // without an index the server finds some that a later one had replaced, which was deleted
				if _, ok := want[sequence]; !ok && index == "lost" && !strings.Contains(text, "victim") {
					delete(got, sequence)
				}
			}
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("with the index %s the stream holds something else:\n%s", index, diff)
			}
		}) {
			t.Errorf("with the index %s the server warns: %s", index, line)
		}
	}
}

// A power cut in the middle of an overwriting costs nothing: wherever it was cut, the next start writes the record as a whole.
func TestScrubIsFinished(t *testing.T) {
	if testing.Short() {
		t.Skip("long, and on one goroutine")
	}
	made := t.TempDir()
	var want map[uint64]string
	serving(t, made, func(js jetstream.JetStream) { states(t, js) })
	if err := os.Remove(filepath.Join(blocksOf(made, "STATES"), stateFile)); err != nil {
		t.Fatal(err)
	}
	serving(t, made, func(js jetstream.JetStream) { want = held(t, js) }) // as the server reads it without an index
	var at overwriting
	stopped := fmt.Errorf("stopped")
	dir := filepath.Join(t.TempDir(), "copy")
	if err := os.CopyFS(dir, os.DirFS(made)); err != nil {
		t.Fatal(err)
	}
	_, _ = Scrub(dir, "STATES", func(m Message) (bool, error) {
		if _, ok := want[m.Sequence]; ok {
			return false, nil
		}
		block := 1 // the first deleted message is in the first block
		content, err := os.ReadFile(filepath.Join(blocksOf(dir, "STATES"), blockName(block)))
		if err != nil {
			return false, err
		}
		offset := bytes.Index(content, m.Data) - len(m.Header) - len(m.Subject) - recordHeader
		if m.Header != nil {
			offset -= 4
		}
		size := bytes.Index(content, m.Data) + len(m.Data) + checksumSize - offset
		at = overwriting{"STATES", block, int64(offset), nil}
		at.Record, err = erased("STATES", block, content[offset:offset+size])
		if err != nil {
			return false, err
		}
		return false, stopped
	})
	if len(at.Record) == 0 {
		t.Fatal("no deleted message was found")
	}
	for cut := 0; cut <= len(at.Record); cut += 7 {
		dir := filepath.Join(t.TempDir(), "copy")
		if err := os.CopyFS(dir, os.DirFS(made)); err != nil {
			t.Fatal(err)
		}
		note, _ := json.Marshal(at)
		if err := WriteDurably(filepath.Join(dir, scrubNote), string(note)); err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(blocksOf(dir, "STATES"), blockName(at.Block))
		block, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		copy(block[at.Offset:], at.Record[:cut])
		if err := os.WriteFile(path, block, 0o600); err != nil {
			t.Fatal(err)
		}
		_ = os.Remove(filepath.Join(blocksOf(dir, "STATES"), stateFile))
		if err := FinishScrub(dir); err != nil {
			t.Fatal(err)
		}
		if _, err := os.Stat(filepath.Join(dir, scrubNote)); err == nil {
			t.Error("the note is still there")
		}
		serving(t, dir, func(js jetstream.JetStream) {
			if diff := cmp.Diff(want, held(t, js)); diff != "" {
				t.Errorf("cut after %d bytes: the stream holds something else:\n%s", cut, diff)
			}
		})
	}
}

// While the server stores, replaces and compacts, messages that it has deleted are overwritten without harm to any that it holds.
func TestScrubUnderLoad(t *testing.T) {
	dir := t.TempDir()
	var want map[uint64]string
	serving(t, dir, func(js jetstream.JetStream) {
		stream, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "STATES", Subjects: []string{"s.>"}, MaxMsgsPerSubject: 1})
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() {
			random := rand.New(rand.NewPCG(3, 4))
			for i := range 4000 {
				subject := random.IntN(200)
				if _, err := js.Publish(t.Context(), fmt.Sprintf("s.%d", subject), fmt.Appendf(nil, "%s of %d%s", textOf(subject), i, strings.Repeat("x", random.IntN(20_000)))); err != nil {
					ended <- err
					return
				}
			}
			ended <- nil
		}()
		scrub := func() (n int) {
			info, err := stream.Info(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if n, err = Scrub(dir, "STATES", func(m Message) (bool, error) {
				if m.Sequence > info.State.LastSeq || !bytes.HasPrefix(m.Data, []byte("victim")) {
					return false, nil
				}
				_, err := stream.GetMsg(t.Context(), m.Sequence)
				return errors.Is(err, jetstream.ErrMsgNotFound), nil
			}); err != nil {
				t.Fatal(err)
			}
			return n
		}
		for overwritten := 0; ; overwritten += scrub() {
			select {
			case err := <-ended:
				if err != nil || overwritten == 0 {
					t.Fatalf("%d messages were overwritten while the server stored, %v", overwritten, err)
				}
			default:
				continue
			}
			break
		}
		for scrub() > 0 {
			continue
		}
		want = held(t, js)
		if len(want) != 200 {
			t.Errorf("the stream holds %d messages", len(want))
		}
	})
	live := 0
	for _, text := range want {
		live += strings.Count(text, "victim")
	}
	if n := victims(t, dir); n != live {
		t.Errorf("of %d messages %d are in the blocks", live, n)
	}
	if err := os.Remove(filepath.Join(blocksOf(dir, "STATES"), stateFile)); err != nil {
		t.Fatal(err)
	}
	for _, line := range serving(t, dir, func(js jetstream.JetStream) {
		if diff := cmp.Diff(want, held(t, js)); diff != "" {
			t.Error("without its index the stream holds something else")
		}
	}) {
		t.Errorf("the server warns: %s", line)
	}
}
