package replay

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/crm-bridge/crm-bridge/publish"
)

// recorder is a target, and the store of its job, that note what they are asked for.
type recorder struct {
	immediate
	memory
	calls []string
	save  bool             // ask for a save after each event
	fails map[string]error // by call
}

func (c *recorder) note(format string, args ...any) error {
	call := fmt.Sprintf(format, args...)
	c.calls = append(c.calls, call)
	err := c.fails[call]
	delete(c.fails, call)
	return err
}

func (c *recorder) Begin(_ context.Context, at, beside uint64) error {
	return c.note("begin %d %d", at, beside)
}

func (c *recorder) Deliver(_ context.Context, m publish.Stored) (Report, error) {
	progress := done(m.Sequence, Tally{Read: 1, Events: 1})
	progress.Save = c.save
	return progress, c.note("deliver %d", m.Sequence)
}

func (c *recorder) Sync(context.Context) error { return c.note("sync") }

func (c *recorder) Save(ctx context.Context, key string, value []byte, revision uint64) (uint64, error) {
	if err := c.note("save"); err != nil {
		return 0, err
	}
	return c.memory.Save(ctx, key, value, revision)
}

func (c *recorder) expect(t *testing.T, want ...string) {
	t.Helper()
	if diff := cmp.Diff(want, c.calls); diff != "" {
		t.Error(diff)
	}
	c.calls = nil
}

// A job that is done while NATS is down waits for it, and is saved as done.
func TestJobThatIsDoneIsSavedLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to := &recorder{fails: map[string]error{"save": context.DeadlineExceeded}}
		r := &Run{Target: to, Job: &Job{Name: "one", Store: to}, Patience: time.Minute}
		if err := r.end(t.Context(), nil); err != nil {
			t.Error(err)
		}
		to.expect(t, "sync", "save", "sync", "save")
		if held, err := Load(t.Context(), to, "one"); err != nil || held.Ended.IsZero() {
			t.Errorf("the job was saved as %+v, %v", held, err)
		}
	})
}

// A job is saved after what it says is synced, never before and never without; right before an event goes out where the last
// save is a second old, also while nothing is selected, and after each event where the target asks for it.
func TestJobIsSavedBehindASync(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		to := &recorder{}
		r := &Run{Target: to, Job: &Job{Name: "one", Store: to}}
		one := func(sequence uint64) {
			t.Helper()
			if err := r.one(t.Context(), t.Context(), message(sequence)); err != nil {
				t.Fatal(err)
			}
		}
		one(1)
		to.expect(t, "sync", "save", "deliver 1")
		one(2)
		to.expect(t, "deliver 2")
		time.Sleep(savesEvery)
		one(3)
		to.expect(t, "sync", "save", "deliver 3")
		if held, err := Load(t.Context(), to, "one"); err != nil || held.At != 2 {
			t.Errorf("the job was saved as %+v, %v", held, err)
		}
		time.Sleep(savesEvery)
		r.Selected.Record = "other"
		one(4)
		to.expect(t, "sync", "save")
		if held, err := Load(t.Context(), to, "one"); err != nil || held.At != 4 || held.Tally != (Tally{Read: 4, Events: 3}) {
			t.Errorf("the job was saved as %+v, %v", held, err)
		}
		r.Selected.Record, to.save = "", true
		one(5)
		to.expect(t, "deliver 5", "sync", "save")
		if err := r.end(t.Context(), nil); err != nil {
			t.Error(err)
		}
		to.expect(t, "sync", "save")
		if held, err := Load(t.Context(), to, "one"); err != nil || held.At != 5 || held.Ended.IsZero() {
			t.Errorf("the job was saved as %+v, %v", held, err)
		}
	})
}

// A job is not saved where the sync fails, nor is an event delivered where the save fails; a run whose job another has taken
// over ends, and any other failure is one to begin again after.
func TestFailureToSave(t *testing.T) {
	for _, test := range []struct {
		name  string
		fails map[string]error
		lost  bool
		want  []string
	}{
		{"the sync", map[string]error{"sync": errors.New("no disk")}, true, []string{"sync"}},
		{"the sync, permanently", map[string]error{"sync": ErrPermanent}, false, []string{"sync"}},
		{"the save", map[string]error{"save": errors.New("no answer")}, true, []string{"sync", "save"}},
		{"the save, for another run", map[string]error{"save": publish.ErrConflict}, false, []string{"sync", "save"}},
	} {
		to := &recorder{fails: test.fails}
		r := &Run{Target: to, Job: &Job{Name: "one", Store: to}}
		err := r.one(t.Context(), t.Context(), message(1))
		if err == nil || errors.As(err, new(LostError)) != test.lost || errors.Is(err, ErrPermanent) == test.lost {
			t.Errorf("%s: %v", test.name, err)
		}
		to.expect(t, test.want...)
	}
}

// A replay begins again behind what is done when something is lost, and gives up when that brings it no further.
func TestReplayBeginsAgain(t *testing.T) {
	conn := openStream(t)
	sender := &publish.Replay{Conn: conn, Stream: "CRM_REPLAY", Prefix: "crm", Job: "source"}
	for sequence := range uint64(3) {
		sending, err := sender.Send(message(sequence+1), fmt.Sprint(sequence))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := sending.Wait(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	span, err := conn.OpenSpan(t.Context(), "CRM_REPLAY", nil, publish.Bounds{})
	if err != nil {
		t.Fatal(err)
	}
	job, err := NewJob(t.Context(), "", Request{}, span)
	if err != nil || !ValidName(job.Name) || job.Total != 3 {
		t.Fatalf("%+v, %v", job, err)
	}
	var again []error
	to := &recorder{fails: map[string]error{"deliver 2": LostError{errors.New("lost")}}}
	r := &Run{Span: span, Target: to, Job: job, Patience: time.Minute, Again: func(err error) { again = append(again, err) }}
	if err := r.Replay(t.Context()); err != nil || len(again) != 1 || job.At != 3 || job.Part() != 1 || job.Ended.IsZero() {
		t.Errorf("%+v after %v: %v", job, again, err)
	}
	to.expect(t, "begin 0 0", "deliver 1", "deliver 2", "begin 2 0", "deliver 3") // what was reported beside the error counts

	job.At, job.Ended, r.Patience = 0, time.Time{}, 100*time.Millisecond
	to.fails = map[string]error{"deliver 2": LostError{errors.New("lost")}, "begin 2 0": LostError{errors.New("down")}}
	if err := r.Replay(t.Context()); err == nil || !strings.Contains(err.Error(), "tried for 100ms: down") || !job.Ended.IsZero() {
		t.Errorf("%+v: %v", job, err)
	}
	to.expect(t, "begin 0 0", "deliver 1", "deliver 2", "begin 2 0")
}
