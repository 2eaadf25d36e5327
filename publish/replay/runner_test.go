package replay

import (
	"errors"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"testing"
	"time"

	"github.com/crm-bridge/crm-bridge/publish"
)

// A job to subjects runs to its end. Deleting it removes its events, and a new one of its name publishes all of them again.
func TestRunnerToSubjects(t *testing.T) {
	b := openBench(t, 30)
	r, _ := b.runner()
	for range 2 {
		b.start(r, Order{Name: "one", From: 11})
		if done := b.await(r, "one", Done); done.Tally.Events != 20 || done.Tally.Duplicates != 0 || done.Part() != 1 {
			t.Errorf("%+v", done)
		}
		if _, err := r.Start(t.Context(), Order{Name: "one"}); !errors.Is(err, ErrJobNamed) {
			t.Errorf("another of its name: %v", err)
		}
		removed, err := r.Delete(t.Context(), "one")
		if err != nil || removed != 20 {
			t.Errorf("removed %d: %v", removed, err)
		}
		if left := b.status(r, "one"); left != nil {
			t.Errorf("still there: %+v", left)
		}
		if _, own, err := (&publish.Replay{Conn: b.conn, Stream: "CRM_REPLAY", Prefix: "crm", Job: "one"}).Last(t.Context()); err != nil || !own.IsZero() {
			t.Errorf("its events are still there: %v", err)
		}
	}
	if _, err := r.Delete(t.Context(), "one"); !errors.Is(err, ErrNoJob) {
		t.Errorf("deleted again: %v", err)
	}
}

// A job that is stopped goes on where it was, to the endpoint that this process remembers; so many run at once.
func TestRunnerStopsAndResumes(t *testing.T) {
	b := openBench(t, 30)
	r, _ := b.runner()
	r.Most = 1
	blocked := make(chan bool)
	to, posted := b.posts(func(n int) {
		if n == 10 {
			<-blocked
		}
	})
	order := Order{Options: Options{Endpoint: to, Mode: publish.Binary}}
	name := b.start(r, order)
	for len(posted()) < 10 {
		time.Sleep(time.Millisecond)
	}
	if at := b.status(r, name); at.State != Running || at.Tally.Events != 9 || at.Rate == 0 {
		t.Errorf("%+v", at)
	}
	if _, err := r.Start(t.Context(), order); !errors.As(err, new(TooManyJobsError)) {
		t.Errorf("a second: %v", err)
	}
	if err := r.Stop(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	close(blocked)
	b.await(r, name, Stopped)
	if err := r.Stop(t.Context(), name); !errors.Is(err, ErrNotHere) {
		t.Errorf("stopped again: %v", err)
	}
	if err := r.Resume(t.Context(), name, Options{}); err != nil {
		t.Fatal(err)
	}
	if done := b.await(r, name, Done); done.Tally.Events != 30 {
		t.Errorf("%+v", done)
	}
	if got := posted(); !slices.Equal(got, append(ids(1, 10), ids(10, 30)...)) {
		t.Errorf("posted %v", got)
	}
}

// When the bridge ends, a job saves how far it is. After a restart it is listed as interrupted, and goes on once its URL is given again:
// that is not kept.
func TestRunnerAfterARestart(t *testing.T) {
	b := openBench(t, 30)
	r, end := b.runner()
	blocked := make(chan bool)
	to, posted := b.posts(func(n int) {
		if n == 20 {
			<-blocked
		}
	})
	name := b.start(r, Order{Options: Options{Endpoint: to, Mode: publish.Binary}})
	for len(posted()) < 20 {
		time.Sleep(time.Millisecond)
	}
	end()
	close(blocked)
	if _, err := r.Start(t.Context(), Order{}); err == nil {
		t.Error("a job begins after the end")
	}
	r, _ = b.runner()
	b.await(r, name, Elsewhere)
	r.now = func() time.Time { return time.Now().Add(time.Minute) }
	if at := b.status(r, name); at.State != Interrupted || at.Tally.Events != 19 {
		t.Errorf("%+v", at)
	}
	other, _ := url.Parse(to.Scheme + "://" + to.Host + "/other")
	for _, test := range []struct {
		to   *url.URL
		want string
	}{{nil, ErrEndpointNeeded.Error()}, {other, "the job has another target"}} {
		if err := r.Resume(t.Context(), name, Options{Endpoint: test.to}); err == nil || err.Error() != test.want {
			t.Errorf("%v: %v", test.to, err)
		}
	}
	if err := r.Resume(t.Context(), name, Options{Endpoint: to, Mode: publish.Binary}); err != nil {
		t.Fatal(err)
	}
	b.await(r, name, Done)
	if got := posted(); !slices.Equal(got, append(ids(1, 20), ids(20, 30)...)) {
		t.Errorf("posted %v", got)
	}
	if err := r.Resume(t.Context(), name, Options{Endpoint: to}); err == nil {
		t.Error("a job that is done is resumed")
	}
}

// Deleting a job ends a run of it elsewhere, which says why it ended.
func TestRunnerDeletesAJobOfAnother(t *testing.T) {
	b := openBench(t, 300)
	elsewhere, _ := b.runner()
	here, _ := b.runner()
	name := b.start(elsewhere, Order{Options: Options{Rate: 20}})
	b.await(here, name, Elsewhere)
	if _, err := here.Delete(t.Context(), name); err != nil {
		t.Fatal(err)
	}
	if left := b.status(here, name); left != nil {
		t.Errorf("still there: %+v", left)
	}
	<-elsewhere.last(name).ended
	if err := elsewhere.last(name).err; !errors.Is(err, ErrPermanent) {
		t.Errorf("the other run ended with %v", err)
	}
	if left := b.status(elsewhere, name); left != nil {
		t.Errorf("still there for the other: %+v", left)
	}
}

// Of two orders of one name at once one begins, and each event is posted once.
func TestRunnerStartsAnOrderOnce(t *testing.T) {
	b := openBench(t, 30)
	r, _ := b.runner()
	to, posted := b.posts(func(int) {})
	failed := make(chan error, 2)
	for range 2 {
		go func() {
			_, err := r.Start(t.Context(), Order{Name: "once", Options: Options{Endpoint: to, Mode: publish.Binary}})
			failed <- err
		}()
	}
	first, second := <-failed, <-failed
	if first == nil {
		first, second = second, first
	}
	if second != nil || !errors.Is(first, ErrJobNamed) && !errors.Is(first, ErrJobRuns) {
		t.Errorf("%v, %v", first, second)
	}
	b.await(r, "once", Done)
	if got := posted(); !slices.Equal(got, ids(1, 30)) {
		t.Errorf("posted %v", got)
	}
}

// A dry run counts by subject, and says where it could not finish.
func TestRunnerCounts(t *testing.T) {
	b := openBench(t, 30)
	r, _ := b.runner()
	counts, complete, err := r.Count(t.Context(), Order{From: 21})
	if err != nil || !complete || len(counts) != 1 || counts[0].Events != 10 {
		t.Errorf("%+v, %t: %v", counts, complete, err)
	}
	for _, wrong := range []Order{
		{Subjects: []string{"crm."}},
		{Name: "no name"},
		{From: 2, Upto: 1},
		{Since: time.Now(), Until: time.Now().Add(-time.Hour)},
		{Options: Options{Parallel: 65}},
		{Options: Options{Rate: -1}},
	} {
		if _, _, err := r.Count(t.Context(), wrong); err == nil {
			t.Errorf("%+v is counted", wrong)
		}
		if _, err := r.Start(t.Context(), wrong); err == nil {
			t.Errorf("%+v is started", wrong)
		}
	}
}

// An endpoint that rejects an event makes the job fail with the reason, which does not show the URL.
func TestRunnerFails(t *testing.T) {
	b := openBench(t, 3)
	r, _ := b.runner()
	server := httptest.NewServer(http.RedirectHandler("http://127.0.0.1:1/", http.StatusTemporaryRedirect))
	defer server.Close()
	to, _ := url.Parse(server.URL + "/planted-secret")
	name := b.start(r, Order{Options: Options{Endpoint: to}})
	failed := b.await(r, name, Failed)
	if want := "event 1 (crm.acme.Deals.edit, sequence 1): the endpoint answered 307 Temporary Redirect, and redirects are not followed"; failed.Err.Error() != want {
		t.Errorf("it says %v", failed.Err)
	}
}

// A job of what a consumer gave up on is not resumed as if it were one of the whole span.
func TestRunnerLeavesDeadLetters(t *testing.T) {
	b := openBench(t, 3)
	r, _ := b.runner()
	place, err := r.Look()
	if err != nil {
		t.Fatal(err)
	}
	if err := place.State.Open(t.Context()); err != nil {
		t.Fatal(err)
	}
	job := &Job{Name: "billing", Request: Request{Stream: "CRM", Dead: "billing", Target: ToSubject}, Store: place.State}
	if err := job.Claim(t.Context()); err != nil {
		t.Fatal(err)
	}
	if err := r.Resume(t.Context(), "billing", Options{}); !errors.As(err, new(DeadError)) {
		t.Errorf("resumed: %v", err)
	}
}

// A job that is kept and done while the jobs are listed is among them, though it was not kept yet when the list was read.
func TestRunnerListsWhatEndsMeanwhile(t *testing.T) {
	b := openBench(t, 1)
	r, _ := b.runner()
	one := &running{name: "quick", listed: Job{Name: "quick"}, ended: make(chan struct{})}
	r.remember(one)
	r.now = func() time.Time { // the list was read
		one.listed.revision = 1
		close(one.ended)
		return time.Now()
	}
	if quick := b.status(r, "quick"); quick == nil || quick.State != Done {
		t.Errorf("listed as %+v", quick)
	}
	r.now = nil
	if gone := b.status(r, "quick"); gone != nil {
		t.Errorf("what is not kept any more is listed as %+v", gone)
	}
}
