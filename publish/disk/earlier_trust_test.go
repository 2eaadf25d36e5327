package disk

import (
	"encoding/binary"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go/jetstream"
)

// What was dropped at the front of the first block before the index was written, by a limit or by age, stays dropped.
func TestReindexKeepsWhatWasDropped(t *testing.T) {
	for name, drop := range map[string]func(t *testing.T, js jetstream.JetStream){
		"limit": func(t *testing.T, js jetstream.JetStream) { publishAll(t, js, 400) },
		"age": func(t *testing.T, js jetstream.JetStream) {
			publishAll(t, js, 50)
			began, config := time.Now(), small(0)
			time.Sleep(300 * time.Millisecond) // these 50 are older
			publishAll(t, js, 200)
			for _, config.MaxAge = range []time.Duration{time.Since(began), time.Hour} {
				if _, err := js.UpdateStream(t.Context(), config); err != nil {
					t.Fatal(err)
				}
				for contentOf(t, js).State.FirstSeq == 1 && t.Context().Err() == nil {
				}
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			k := killedAfter(t, drop)
			for name == "age" && k.said.State.FirstSeq != 51 { // on a slow machine more of them grow old
				k = killedAfter(t, drop)
			}
			have, resumed := k.reindexed(t)
			if diff := cmp.Diff(k.said, have); diff != "" || !resumed || have.State.FirstSeq < 51 {
				t.Errorf("from an earlier index %t: the server said before (-) %s", resumed, diff)
			}
		})
	}
}

// killedAfter returns a store whose server was stopped after do and killed soon after the next start.
func killedAfter(t *testing.T, do func(t *testing.T, js jetstream.JetStream)) (k killed) {
	t.Helper()
	dir := t.TempDir()
	serving(t, dir, func(js jetstream.JetStream) {
		if _, err := js.CreateStream(t.Context(), small(0)); err != nil {
			t.Fatal(err)
		}
		do(t, js)
	})
	serving(t, dir, func(js jetstream.JetStream) {
		publishAll(t, js, 10)
		k = kill(t, dir, js)
	})
	return k
}

func publishAll(t *testing.T, js jetstream.JetStream, n int) {
	t.Helper()
	if err := publish(t, js, rand.New(rand.NewPCG(1, 2)), n); err != nil {
		t.Fatal(err)
	}
}

// An earlier index is used only if all that it says fits: its own checksum, the blocks and their sizes, when they were changed last, and
// the last message that it knows. A block that was changed late is read, whatever its size.
func TestReindexDistrustsAnEarlierIndex(t *testing.T) {
	edit := func(name string, to func(text []byte) []byte) func(*testing.T, string) {
		return func(t *testing.T, folder string) {
			path := filepath.Join(folder, name)
			info, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			text, err := os.ReadFile(path)
			if err == nil {
				err = os.WriteFile(path, to(text), 0o600)
			}
			if err == nil {
				err = os.Chtimes(path, info.ModTime(), info.ModTime())
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	flip := func(at int) func([]byte) []byte {
		return func(text []byte) []byte {
			at := (at + len(text)) % len(text)
			text[at] ^= 1
			return text
		}
	}
	touch := func(t *testing.T, folder string) {
		info, err := os.Stat(filepath.Join(folder, stateFile))
		if err == nil {
			late := info.ModTime().Add(-10 * time.Second)
			err = os.Chtimes(filepath.Join(folder, "2.blk"), late, late)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	for name, of := range map[string]struct {
		spoil func(t *testing.T, folder string)
		used  bool
	}{
		"as it was":                 {func(*testing.T, string) {}, true},
		"no index":                  {func(t *testing.T, folder string) { remove(t, filepath.Join(folder, stateFile)) }, false},
		"a damaged index":           {edit(stateFile, flip(20)), false},
		"an index that was cut off": {edit(stateFile, func(text []byte) []byte { return text[:len(text)/2] }), false},
		"a block that is gone":      {func(t *testing.T, folder string) { remove(t, filepath.Join(folder, "1.blk")) }, false},
		"a shorter block":           {edit("2.blk", func(text []byte) []byte { return text[:len(text)-1] }), false},
		"a longer block":            {edit("2.blk", func(text []byte) []byte { return append(text, text...) }), false},
		"a newest block cut short":  {edit("3.blk", func(text []byte) []byte { return text[:binary.LittleEndian.Uint32(text)&^withHeaders] }), false},
		"a block changed late":      {touch, true},
		"a block damaged late":      {func(t *testing.T, folder string) { edit("2.blk", flip(-1))(t, folder); touch(t, folder) }, false},
	} {
		t.Run(name, func(t *testing.T) {
			k := killedAfter(t, func(t *testing.T, js jetstream.JetStream) { publishAll(t, js, 200) })
			folder := blocksOf(k.dir, "CRM")
			if n := newestNumber(t, folder); n != 3 {
				t.Fatalf("the newest block is %d", n)
			}
			of.spoil(t, folder)
			if used := resumes(t, folder); used != of.used {
				t.Errorf("the earlier index was used: %t", used)
			}
		})
	}
}

// An earlier index whose last message is another one than the block holds is not of this stream.
func TestReindexDistrustsAnotherLastMessage(t *testing.T) {
	k := killedAfter(t, func(t *testing.T, js jetstream.JetStream) { publishAll(t, js, 200) })
	folder := blocksOf(k.dir, "CRM")
	earlier, err := readEarlier(folder, "CRM")
	if err != nil {
		t.Fatal(err)
	}
	earlier.blocks[len(earlier.blocks)-1].checksum[0] ^= 1
	if _, _, err := earlier.resume(folder, "CRM", []int{1, 2, 3}); !errors.Is(err, errUnindexed) {
		t.Errorf("resumed: %v", err)
	}
}
