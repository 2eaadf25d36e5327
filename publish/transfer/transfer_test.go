package transfer_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/crm-bridge/crm-bridge/publish"
	"github.com/crm-bridge/crm-bridge/publish/transfer"
	"github.com/crm-bridge/crm-bridge/test/publishtest"
)

// A copied event has the sequence, the subject, the id, the headers and the body that it had, whatever was erased before, between and
// behind others, and whether or not a bridge has made the target's stream already; what the bridge stores next has the sequence that it
// would have had.
func TestSequences(t *testing.T) {
	for _, made := range []bool{false, true} {
		t.Run(fmt.Sprintf("stream made before %t", made), func(t *testing.T) {
			s := open(t)
			fill(t, s.from, 30)
			remove(t, s.from, "CRM", 1, 2, 10, 11, 12, 29, 30)
			if made {
				ensure(t, s.to, streams()[0].Config)
			}
			result := s.complete(t)
			if diff := cmp.Diff(held(t, s.from, "CRM"), held(t, s.to, "CRM")); diff != "" {
				t.Error(diff)
			}
			if got := state(t, s.to, "CRM"); got.FirstSeq != 3 || got.LastSeq != 30 || got.Msgs != 23 {
				t.Errorf("%+v", got)
			}
			if part := result.Parts[0]; part.Equal != 23 || part.Copied != 23 || part.Left != 0 || part.Digest == "" {
				t.Errorf("%+v", part)
			}
			if got := put(t, s.to, "crm.acme.Deals.edit", "", "next"); got != 31 {
				t.Errorf("the next event is #%d", got)
			}
		})
	}
}

// Streams of states and of callbacks have the order, the ids and the last state of each subject that they had.
func TestNumbered(t *testing.T) {
	s := open(t)
	ensure(t, s.from, streams()[2].Config)
	for i := range 40 {
		put(t, s.from, fmt.Sprintf("crm-records.acme.default.Deals.%d", i%7), "", fmt.Sprint(i))
		put(t, s.from, "crm-quarantine.acme", fmt.Sprint("q", i), fmt.Sprint(i))
	}
	remove(t, s.from, "CRM_QUARANTINE", 3, 4, 40)
	result := s.complete(t)
	for i, want := range []uint64{0, 37, 7} {
		if part := result.Parts[i]; part.Equal != want || part.Copied != want {
			t.Errorf("%+v", part)
		}
	}
	for _, name := range []string{"CRM_QUARANTINE", "CRM_RECORDS"} {
		if got := state(t, s.to, name); got.LastSeq != got.Msgs {
			t.Errorf("%s: %+v", name, got)
		}
		if diff := cmp.Diff(inOrder(held(t, s.from, name)), inOrder(held(t, s.to, name))); diff != "" {
			t.Error(diff)
		}
	}
}

// Equal ids that the source took at different times are all copied, and a repeat of a recent one is still recognised afterwards.
func TestEqualIDs(t *testing.T) {
	s := open(t)
	ensure(t, s.from, windowed(publishtest.Stream("CRM", "crm.>"), 100*time.Millisecond))
	for i := range 3 {
		for deadline := time.Now().Add(10 * time.Second); put(t, s.from, "crm.acme.Deals.edit", "same", fmt.Sprint(i)) <= uint64(i); {
			if time.Now().After(deadline) { // until the source's window has passed
				t.Fatal("the source still takes it for a repeat")
			}
		}
	}
	put(t, s.from, "crm.acme.Deals.edit", "recent", "1")
	s.complete(t)
	if diff := cmp.Diff(held(t, s.from, "CRM"), held(t, s.to, "CRM")); diff != "" {
		t.Error(diff)
	}
	if got := put(t, s.to, "crm.acme.Deals.edit", "recent", "1"); got != 4 {
		t.Errorf("the repeat is #%d", got)
	}
}

// A second run copies only what came since, removes from the target what was erased in the source, and changes nothing else.
func TestAgain(t *testing.T) {
	s := open(t)
	fill(t, s.from, 20)
	if result, err := s.run(t, func(r *transfer.Run) { r.Ended = false }); err != nil || result.Done || result.State != nil {
		t.Fatalf("%+v, %v", result, err)
	}
	remove(t, s.from, "CRM", 1, 7, 20)
	put(t, s.from, "crm.acme.Deals.edit", "", "more")
	result := s.complete(t)
	if part := result.Parts[0]; part.Copied != 1 || part.Removed != 3 || part.Equal != 18 {
		t.Errorf("%+v", part)
	}
	if diff := cmp.Diff(held(t, s.from, "CRM"), held(t, s.to, "CRM")); diff != "" {
		t.Error(diff)
	}
}

// After the bridge has moved, a further run finds that the target goes on by itself, and neither adds nor removes anything.
func TestMoved(t *testing.T) {
	s := open(t)
	fill(t, s.from, 5)
	put(t, s.from, "crm-quarantine.acme", "q", "1")
	s.complete(t)
	put(t, s.to, "crm.acme.Deals.edit", "", "of the target")
	put(t, s.to, "crm-quarantine.acme", "q2", "2")
	remove(t, s.from, "CRM", 2)
	result := s.complete(t)
	if part := result.Parts[0]; !part.Ahead || part.Copied != 0 || part.Removed != 0 || part.Equal != 4 {
		t.Errorf("%+v", part)
	}
	if got := state(t, s.to, "CRM"); got.Msgs != 6 {
		t.Errorf("%+v", got)
	}
}

// A message that the target does not take is named with its size and the limit; one on a subject that the target's stream does not have is
// counted and left out.
func TestUnfit(t *testing.T) {
	s := open(t)
	config := streams()[0].Config
	config.Subjects = []string{"crm.>", "old.>"}
	config.Apply = true
	ensure(t, s.from, config)
	put(t, s.from, "crm.acme.Deals.edit", "1", "first")
	put(t, s.from, "old.acme.Deals.edit", "2", "of an earlier prefix")
	put(t, s.from, "crm.acme.Deals.edit", "3", "last")
	result := s.complete(t)
	if part := result.Parts[0]; part.Equal != 2 || part.Outside != 1 || part.Last != 3 {
		t.Errorf("%+v", part)
	}
	if _, there := held(t, s.to, "CRM")[3]; !there {
		t.Error("the last one has another sequence")
	}
	put(t, s.from, "crm.acme.Deals.edit", "large", strings.Repeat("x", 1<<20-120))
	if result, err := s.run(t, nil); err == nil || !strings.Contains(err.Error(), "max_payload") || !strings.Contains(err.Error(), "id large") {
		t.Errorf("%+v, %v", result, err)
	}
}

// With Append the history follows what others have stored in the target, once, also after an interruption.
func TestAppend(t *testing.T) {
	s := open(t)
	fill(t, s.from, 5)
	ensure(t, s.to, streams()[0].Config)
	put(t, s.to, "crm.acme.Deals.edit", "", "first of the target")
	for i := range 2 {
		if i == 1 {
			put(t, s.to, "crm.acme.Deals.edit", "", "second of the target")
			put(t, s.from, "crm.acme.Deals.edit", "", "more")
		}
		result, err := s.run(t, func(r *transfer.Run) { r.Append, r.Ended = true, i == 1 })
		if err != nil || result.Parts[0].Left != 0 {
			t.Fatalf("%+v, %v", result, err)
		}
	}
	got, source := inOrder(held(t, s.to, "CRM")), inOrder(held(t, s.from, "CRM"))
	want := append([]string{"crm.acme.Deals.edit  first of the target"}, source[:5]...)
	want = append(want, "crm.acme.Deals.edit  second of the target", source[5])
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// States of records are not appended to those that the target keeps: an older state never follows a newer one.
func TestAppendNoStates(t *testing.T) {
	s := open(t)
	records := streams()[2].Config
	for _, conn := range []*publish.Conn{s.from, s.to} {
		ensure(t, conn, records)
	}
	put(t, s.from, "crm-records.acme.default.Deals.1", "", "old")
	put(t, s.to, "crm-records.acme.default.Deals.1", "", "new")
	result, err := s.run(t, func(r *transfer.Run) { r.Append = true })
	if err != nil || !result.Parts[2].Own || result.Parts[2].Copied != 0 {
		t.Errorf("%+v, %v", result, err)
	}
	if diff := cmp.Diff([]string{"crm-records.acme.default.Deals.1  new"}, inOrder(held(t, s.to, "CRM_RECORDS"))); diff != "" {
		t.Error(diff)
	}
}

// A source that was started again after the move, and an end of the target beyond it, are not taken for a complete copy.
func TestBothWentOn(t *testing.T) {
	s := open(t)
	fill(t, s.from, 5)
	s.complete(t)
	put(t, s.to, "crm.acme.Deals.edit", "", "of the target")
	put(t, s.to, "crm.acme.Deals.edit", "", "of the target")
	put(t, s.from, "crm.acme.Deals.edit", "", "of the source")
	if result, err := s.run(t, nil); !errors.Is(err, transfer.ErrOthers) {
		t.Errorf("%+v, %v", result, err)
	}
}

// Where the source has nothing of a stream, the target may hold what it likes.
func TestNothingToCopy(t *testing.T) {
	s := open(t)
	fill(t, s.from, 3)
	ensure(t, s.to, streams()[1].Config)
	put(t, s.to, "crm-quarantine.acme", "", "of others")
	if result := s.complete(t); result.Parts[0].Equal != 3 {
		t.Errorf("%+v", result)
	}
}

// ensure ensures a stream.
func ensure(t *testing.T, conn *publish.Conn, config publish.StreamConfig) {
	t.Helper()
	if _, _, err := conn.EnsureStream(t.Context(), config); err != nil {
		t.Fatal(err)
	}
}

func windowed(config publish.StreamConfig, window time.Duration) publish.StreamConfig {
	config.Duplicates = window
	return config
}

// A source that has ended and still takes events is not called complete; one that takes the last few while they are copied is.
func TestWrittenMeanwhile(t *testing.T) {
	for _, most := range []int{5, 1000} {
		s := open(t)
		fill(t, s.from, 3)
		more, seen := 0, uint64(0)
		result, err := s.run(t, func(r *transfer.Run) {
			r.Show = func(what string, n, _ uint64) {
				if strings.HasSuffix(what, "copied") && n > seen && more < most {
					more, seen = more+1, n
					put(t, s.from, "crm.acme.Deals.edit", "", "more")
				}
			}
		})
		if complete := most == 5; result.Done != complete || (err == nil) != complete {
			t.Errorf("%d: %+v, %v", most, result, err)
		}
	}
}

// What was erased on the target after the move is no difference, and a comparison changes nothing there.
func TestGoneSince(t *testing.T) {
	s := open(t)
	fill(t, s.from, 5)
	put(t, s.from, "crm-quarantine.acme", "q", "1")
	put(t, s.from, "crm-quarantine.acme", "q2", "2")
	if _, err := s.run(t, func(r *transfer.Run) { r.Ended = false }); err != nil {
		t.Fatal(err)
	}
	remove(t, s.from, "CRM", 4)
	parts, err := s.copying(t).Compare(t.Context(), streams())
	if err != nil || parts[0].Extra != 1 || parts[0].Removed != 0 || state(t, s.to, "CRM").Msgs != 5 {
		t.Errorf("%+v, %v", parts, err)
	}
	s.complete(t)
	put(t, s.to, "crm.acme.Deals.edit", "", "of the target")
	put(t, s.to, "crm-quarantine.acme", "q3", "3")
	remove(t, s.to, "CRM", 2)
	remove(t, s.to, "CRM_QUARANTINE", 2)
	if result := s.complete(t); result.Parts[0].Gone != 1 {
		t.Errorf("%+v", result.Parts[0])
	}
	if got := state(t, s.to, "CRM_QUARANTINE").Msgs; got != 2 {
		t.Errorf("%d callbacks: a released one was copied again", got)
	}
}
