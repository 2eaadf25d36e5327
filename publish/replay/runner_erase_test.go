package replay

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/crm-bridge/crm-bridge/publish"
)

// eraseOf erases events as crm-bridge erase does, up to where replayed events are searched.
func (b *bench) eraseOf(r *Runner, sequences ...uint64) {
	b.Helper()
	for _, sequence := range sequences {
		if err := b.conn.Erase(b.Context(), "CRM", sequence); err != nil {
			b.Fatal(err)
		}
	}
	if err := r.Reread(b.Context()); err != nil {
		b.Fatal(err)
	}
}

// replayed returns the sequences of the events that are in the stream of replays.
func (b *bench) replayed(job string) map[uint64]bool {
	b.Helper()
	held, err := (&publish.Replay{Conn: b.conn, Stream: "CRM_REPLAY", Prefix: "crm", Job: job}).Held(b.Context(), 0)
	if err != nil {
		b.Fatal(err)
	}
	return held
}

// What was erased while a job had it read is not replayed to subjects.
func TestErasedIsNotReplayedToSubjects(t *testing.T) {
	b := openBench(t, 30)
	r, _ := b.runner()
	b.start(r, Order{Name: "slow", Options: Options{Rate: 20}})
	for b.status(r, "slow").Tally.Events == 0 {
		time.Sleep(time.Millisecond)
	}
	b.eraseOf(r, 25, 26, 27)
	if done := b.await(r, "slow", Done); done.Tally.Events != 27 {
		t.Errorf("%+v", done)
	}
	if held := b.replayed("slow"); len(held) != 27 || held[25] || held[26] || held[27] {
		t.Errorf("replayed %v", held)
	}
}

// What was erased while a post hung, or its turn had not come, is not posted; the hung post is given up, and repeated if it was not erased.
func TestErasedIsNotPosted(t *testing.T) {
	for name, parallel := range map[string]int{"one post at once": 1, "several": 4} {
		t.Run(name, func(t *testing.T) {
			b := openBench(t, 30)
			r, _ := b.runner()
			hung := make(chan bool)
			to, posted := b.posts(func(n int) {
				if n == 1 {
					<-hung
				}
			})
			job := b.start(r, Order{Options: Options{Endpoint: to, Mode: publish.Binary, Parallel: parallel}})
			for len(posted()) == 0 {
				time.Sleep(time.Millisecond)
			}
			b.eraseOf(r, 1, 2, 3)
			close(hung)
			b.await(r, job, Done)
			if got := posted(); !slices.Equal(got, append([]string{"1"}, ids(4, 30)...)) {
				t.Errorf("posted %v", got)
			}
		})
	}
}

// A job of another bridge, or of the command, is stopped though its post hangs, and says why. Resumed, it does not post what was erased.
func TestErasedIsNotPostedElsewhere(t *testing.T) {
	b := openBench(t, 10)
	elsewhere, _ := b.runner()
	here, _ := b.runner()
	hung := make(chan bool)
	to, posted := b.posts(func(n int) {
		if n == 1 {
			<-hung
		}
	})
	defer close(hung)
	job := b.start(elsewhere, Order{Options: Options{Endpoint: to, Mode: publish.Binary, Parallel: 4}})
	for len(posted()) == 0 {
		time.Sleep(time.Millisecond)
	}
	b.eraseOf(here, 1, 2, 3)
	b.await(here, job, Stopped)
	select { // before it has an answer
	case <-elsewhere.last(job).ended:
	case <-time.After(runEnds):
		t.Fatal("it is still at work")
	}
	b.await(elsewhere, job, Stopped)
	if err := elsewhere.last(job).err; !errors.Is(err, ErrPermanent) || err.Error() != "the replay ends: job "+job+" was stopped because a record is erased: resume it" {
		t.Errorf("it ended with %v", err)
	}
	if got := posted(); !slices.Equal(got, ids(1, 1)) {
		t.Errorf("posted %v", got)
	}
	began := time.Now()
	b.eraseOf(here)
	b.eraseOf(here)
	if took := time.Since(began); took > runEnds {
		t.Errorf("what is stopped already is waited for %s", took)
	}
	if err := elsewhere.Resume(t.Context(), job, Options{}); err != nil {
		t.Fatal(err)
	}
	b.await(elsewhere, job, Done)
	if got := posted(); !slices.Equal(got, append(ids(1, 1), ids(4, 10)...)) {
		t.Errorf("posted %v", got)
	}
}

// The jobs that select a record are removed with it, also one that runs; others stay.
func TestJobsOfARecordAreForgotten(t *testing.T) {
	b := openBench(t, 30)
	r, _ := b.runner()
	for name, selected := range map[string]Selection{"its": {Record: "7"}, "other": {Record: "8"}, "account": {Record: "7", Account: "emea"}} {
		b.start(r, Order{Name: name, Selection: selected})
		b.await(r, name, Done)
	}
	b.start(r, Order{Name: "module", Subjects: []string{"crm.acme.Contacts.*", "crm.acme.Deals.edit"}, Selection: Selection{Record: "7"}, Options: Options{Rate: 1}})
	for _, test := range []struct {
		subjects string
		dryRun   bool
		want     int
	}{{"*.acme.Deals.*", true, 2}, {"*.other.Deals.*", true, 1}, {"*.acme.Deals.*", false, 2}, {"*.acme.Deals.*", true, 0}} {
		if n, err := r.Forget(t.Context(), "7", "apac", test.subjects, test.dryRun); err != nil || n != test.want {
			t.Errorf("%+v: it has %d jobs, %v", test, n, err)
		}
	}
	for name, stays := range map[string]bool{"its": false, "module": false, "other": true, "account": true} {
		if left := b.status(r, name); (left != nil) != stays {
			t.Errorf("job %s: %+v", name, left)
		}
	}
}
