package disk

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// content is all that a server says of a stream.
type content struct {
	State    jetstream.StreamState
	Messages []string
}

// contentOf returns what a running server says of the stream.
func contentOf(t *testing.T, js jetstream.JetStream) (c content) {
	t.Helper()
	stream, err := js.Stream(t.Context(), "CRM")
	if err != nil {
		t.Fatal(err)
	}
	info, err := stream.Info(t.Context(), jetstream.WithSubjectFilter(">"), jetstream.WithDeletedDetails(true))
	if err != nil {
		t.Fatal(err)
	}
	c.State = info.State
	c.State.Lost = nil // a server that reads all counts what the limit has dropped
	for n := c.State.FirstSeq; n <= c.State.LastSeq; n++ {
		msg, err := stream.GetMsg(t.Context(), n)
		if err != nil && !errors.Is(err, jetstream.ErrMsgNotFound) {
			t.Fatal(err)
		}
		c.Messages = append(c.Messages, fmt.Sprint(n, msg, err))
	}
	return c
}

// killed is a copy of a store that a server wrote to when it was killed, and what it said of the stream then.
type killed struct {
	dir  string
	said content
}

// age makes the blocks of a stream that were finished before its index was written as old as if that was long ago.
func age(t *testing.T, folder string) {
	t.Helper()
	info, err := os.Stat(filepath.Join(folder, stateFile))
	if err != nil {
		return // it was never written
	}
	blocks, err := filepath.Glob(filepath.Join(folder, "*.blk"))
	if err != nil {
		t.Fatal(err)
	}
	for _, block := range blocks {
		if at, err := os.Stat(block); err != nil {
			t.Fatal(err)
		} else if !at.ModTime().After(info.ModTime()) {
			long := info.ModTime().Add(-time.Hour)
			if err := os.Chtimes(block, long, long); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// kill copies a store while a server writes to it, with the times of its files.
func kill(t *testing.T, dir string, js jetstream.JetStream) killed {
	t.Helper()
	k := killed{t.TempDir(), contentOf(t, js)}
	if err := os.CopyFS(k.dir, os.DirFS(dir)); err != nil {
		t.Fatal(err)
	}
	folder := blocksOf(dir, "CRM")
	entries, err := os.ReadDir(folder)
	for _, entry := range entries {
		var info os.FileInfo
		if info, err = entry.Info(); err == nil {
			err = os.Chtimes(filepath.Join(blocksOf(k.dir, "CRM"), entry.Name()), info.ModTime(), info.ModTime())
		}
		if err != nil {
			break
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	age(t, blocksOf(k.dir, "CRM"))
	return k
}

// resumes reports whether an earlier index is used of a stream.
func resumes(t *testing.T, folder string) bool {
	t.Helper()
	numbers, err := (&blockFiles{folder: folder, index: -1}).newer()
	if err != nil {
		t.Fatal(err)
	}
	earlier, err := readEarlier(folder, "CRM")
	if err == nil {
		_, _, err = earlier.resume(folder, "CRM", numbers)
	}
	if err != nil && !errors.Is(err, errUnindexed) {
		t.Fatal(err)
	}
	return err == nil
}

// reindexed returns what a server says of a killed store whose index is written again, and whether from an earlier one.
func (k killed) reindexed(t *testing.T) (c content, resumed bool) {
	t.Helper()
	folder := blocksOf(k.dir, "CRM")
	resumed = resumes(t, folder)
	if done, err := reindex(folder, "CRM", 0); err != nil || resumed && !done && !isCurrent(folder, newestNumber(t, folder)) {
		t.Fatalf("written %t, from an earlier one %t: %v", done, resumed, err)
	}
	serving(t, k.dir, func(js jetstream.JetStream) { c = contentOf(t, js) })
	return c, resumed
}

// check compares what a server says of a killed store whose index is written again with what one says that reads all blocks, and, unless
// limits have dropped more than the first messages, with what was said before.
func (k killed) check(t *testing.T, history string, same bool) (resumed bool) {
	t.Helper()
	all, want := t.TempDir(), content{}
	if err := os.CopyFS(all, os.DirFS(k.dir)); err != nil {
		t.Fatal(err)
	}
	serving(t, all, func(js jetstream.JetStream) { want = contentOf(t, js) })
	have, resumed := k.reindexed(t)
	if diff := cmp.Diff(want, have); diff != "" {
		t.Errorf("from an earlier index %t: a server that reads all says (-) %s after%s", resumed, diff, history)
	}
	if diff := cmp.Diff(k.said, have); diff != "" && same {
		t.Errorf("from an earlier index %t: the server said before (-) %s after%s", resumed, diff, history)
	}
	return resumed
}

func newestNumber(t *testing.T, folder string) int {
	t.Helper()
	numbers, err := (&blockFiles{folder: folder, index: -1}).newer()
	if err != nil || len(numbers) == 0 {
		t.Fatal(numbers, err)
	}
	return numbers[len(numbers)-1]
}

// change does something to a stream at random, and returns what.
func change(t *testing.T, js jetstream.JetStream, random *rand.Rand, most int, deletes bool) string {
	t.Helper()
	stream, err := js.Stream(t.Context(), "CRM")
	if err != nil {
		t.Fatal(err)
	}
	state := stream.CachedInfo().State
	one := max(1, state.FirstSeq+random.Uint64N(state.LastSeq-state.FirstSeq+2)) // it may have been deleted
	what, of := "publish", random.IntN(24)
	switch {
	case !deletes || of < 18 || state.Msgs == 0:
		err = publish(t, js, random, random.IntN(most))
	case of == 18:
		what, err = "purge a subject", stream.Purge(t.Context(), jetstream.WithPurgeSubject(fmt.Sprint("crm.acme.Deals.op", random.IntN(40))))
	case of == 19:
		what, err = "purge up to a message", stream.Purge(t.Context(), jetstream.WithPurgeSequence(one))
	case of == 20:
		what, err = "purge", stream.Purge(t.Context())
	case of == 21:
		what, err = "erase", stream.SecureDeleteMsg(t.Context(), one)
	case of == 22:
		what, err = "delete the first", stream.DeleteMsg(t.Context(), max(1, state.FirstSeq))
	default:
		what, err = "delete", stream.DeleteMsg(t.Context(), one)
	}
	if err != nil && !errors.Is(err, jetstream.ErrMsgDeleteUnsuccessful) {
		t.Fatal(what, err)
	}
	return what
}

// publish publishes n messages on subjects at random.
func publish(t *testing.T, js jetstream.JetStream, random *rand.Rand, n int) error {
	t.Helper()
	for range n {
		msg := &nats.Msg{Subject: fmt.Sprint("crm.acme.Deals.op", random.IntN(40)), Data: bytes.Repeat([]byte("x"), random.IntN(600))}
		if random.IntN(3) == 0 {
			msg.Header = nats.Header{"content-type": {"application/json"}}
		}
		if _, err := js.PublishMsg(t.Context(), msg); err != nil {
			return err
		}
	}
	return nil
}

// small returns a stream in blocks of 32 KB, of which the limit keeps four.
func small(perSubject int64) jetstream.StreamConfig {
	return jetstream.StreamConfig{Name: "CRM", Subjects: []string{"crm.>"}, MaxBytes: 127_000, MaxMsgsPerSubject: perSubject}
}

// After a kill at any point of any history, the server says of a stream what it said before, and what it says when it reads all blocks:
// whether an earlier index of it is used or not.
func TestReindexAfterKillsAtRandom(t *testing.T) {
	if testing.Short() {
		t.Skip("long, and on one goroutine")
	}
	for name, of := range map[string]struct {
		perSubject int64
		most       int // messages at once; with 20 the limit drops nothing
		deletes    bool
		resumed    int // at least
	}{
		"room":                       {most: 20, resumed: 6},
		"room, deletions":            {most: 20, deletes: true, resumed: 1},
		"limit":                      {most: 150, resumed: 1},
		"limit, deletions":           {most: 150, deletes: true},
		"few per subject":            {most: 100, perSubject: 5},
		"few per subject, deletions": {most: 100, perSubject: 5, deletes: true},
	} {
		t.Run(name, func(t *testing.T) {
			random := rand.New(rand.NewPCG(3, uint64(len(name))))
			dir, history, resumed := t.TempDir(), "", 0
			serving(t, dir, func(js jetstream.JetStream) {
				if _, err := js.CreateStream(t.Context(), small(of.perSubject)); err != nil {
					t.Fatal(err)
				}
			})
			for range 3 {
				var kills []killed
				serving(t, dir, func(js jetstream.JetStream) {
					for range 3 {
						history += "\n" + change(t, js, random, of.most, of.deletes)
						kills = append(kills, kill(t, dir, js))
					}
				})
				for _, k := range kills {
					if k.check(t, history, of.perSubject == 0 && (!of.deletes || of.most == 20)) {
						resumed++
					}
				}
			}
			t.Logf("an earlier index was used %d times of 9", resumed)
			if resumed < of.resumed {
				t.Errorf("fewer than %d", of.resumed)
			}
		})
	}
}
