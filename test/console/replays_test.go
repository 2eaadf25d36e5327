package console

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// replayed returns how many events a job has published on its subjects.
func (d *day) replayed(t *testing.T, job string) uint64 {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	stream, err := d.stream.Stream(ctx, "CRM_REPLAY")
	if err != nil {
		t.Fatal(err)
	}
	info, err := stream.Info(ctx, jetstream.WithSubjectFilter("crm-replay."+job+".>"))
	if err != nil {
		t.Fatal(err)
	}
	total := uint64(0)
	for _, n := range info.State.Subjects {
		total += n
	}
	return total
}

// A person replays the events of a record on subjects of a job's own, having seen how many of which subject that are, and deletes the
// job with its events.
func TestReplayToSubjects(t *testing.T) {
	t.Parallel()
	d := ownDay(t)
	id := d.sold(t, "replayed")
	w := signedIn(t, d.bridge, desk)
	w.visit("/console/events?record=" + id)
	w.clickOn("Replay these")
	w.until(`location.pathname === "/console/replay-new"`)
	w.fill("#name", "from-the-console")
	w.declines("Count what it would replay")
	w.fill("#name", "from-the-console")
	done := w.confirms(t, "Count what it would replay", "Start", "Replay 2 events", "crm.zoho.Deals.create: 1 event", "crm.zoho.Deals.edit: 1 event", "crm-replay.from-the-console.>")
	if !strings.Contains(done, "Started job from-the-console") {
		t.Errorf("it says %q", done)
	}
	w.shows("done")
	if n := d.replayed(t, "from-the-console"); n != 2 {
		t.Errorf("%d events were replayed", n)
	}
	w.check(t, "a job that is done")
	if done := w.confirms(t, "Delete", "Delete", "cannot be undone", "with the 2 events"); !strings.Contains(done, "Deleted job from-the-console with 2 events") {
		t.Errorf("it says %q", done)
	}
	if n := d.replayed(t, "from-the-console"); n != 0 {
		t.Errorf("%d events are left", n)
	}
	if out, err := d.run("replay", "jobs", "--json"); err != nil || strings.Contains(out, "from-the-console") || !strings.Contains(out, "rebuild-search") {
		t.Errorf("the jobs are %s (%v)", out, err)
	}
}

// A person replays to an endpoint that takes one event and hangs over the next; stops the job, and resumes it when the endpoint is well
// again: each event is taken once.
func TestReplayToEndpoint(t *testing.T) {
	t.Parallel()
	d := ownDay(t)
	var posts, taken atomic.Int64
	var well atomic.Bool
	endpoint := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if !strings.HasPrefix(r.Header.Get("Content-Type"), "application/cloudevents+json") {
			return
		}
		if posts.Add(1) > 1 && !well.Load() {
			_, _ = io.Copy(io.Discard, r.Body) // else nobody sees the client leave
			<-r.Context().Done()
			return
		}
		taken.Add(1)
	}))
	defer endpoint.Close()
	id := d.sold(t, "posted")
	for i := range 6 {
		if err := d.crm.Update("Deals", id, map[string]any{"Amount": i}); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * time.Millisecond) // Zoho's mark of a change is a millisecond
	}
	want := int64(len(d.eventsOf(t, id)))
	w := signedIn(t, d.bridge, phone)
	w.visit("/console/replay-new?record=" + id)
	w.clickAt("[name=target][value=url]")
	w.fill("#url", endpoint.URL+"/events")
	w.fill("#name", "slowly")
	w.fill("#rate", "20")
	if done := w.confirms(t, "Count what it would replay", "Start", "crm.zoho.Deals.create"); !strings.Contains(done, "Started job slowly") {
		t.Errorf("it says %q", done)
	}
	eventually(t, "an event is taken, and the next one posted", func() bool { return posts.Load() > 1 })
	if done := w.confirms(t, "Stop", "Stop", "Stop job slowly?"); !strings.Contains(done, "Stopped job slowly") {
		t.Errorf("it says %q", done)
	}
	w.shows("stopped")
	well.Store(true)
	w.fill("#url", endpoint.URL+"/events")
	if done := w.confirms(t, "Resume", "Resume", "Resume job slowly"); !strings.Contains(done, "Resumed job slowly") {
		t.Errorf("it says %q", done)
	}
	w.shows("done")
	if taken.Load() != want {
		t.Errorf("%d events were taken, of %d", taken.Load(), want)
	}
	for _, fault := range w.found() {
		t.Error(fault)
	}
}

// What cannot be replayed says why.
func TestWrongReplay(t *testing.T) {
	t.Parallel()
	w := signedIn(t, shared.bridge, desk)
	w.expect("400")
	for _, wrong := range []struct{ url, subject, says string }{
		{"ftp://127.0.0.1/events", "", "http"}, {"", "crm.none.>", "nothing is selected"}, {"", "crm.>.Deals", "subject"},
	} {
		w.visit("/console/replay-new")
		if wrong.url != "" {
			w.clickAt("[name=target][value=url]")
			w.fill("#url", wrong.url)
		}
		w.fill("#subject", wrong.subject)
		w.clickOn("Count what it would replay")
		w.until(`document.querySelector(".problem")`)
		if problem := strings.ToLower(script[string](w, `document.querySelector(".problem").innerText`)); !strings.Contains(problem, wrong.says) {
			t.Errorf("%+v says %q", wrong, problem)
		}
		w.check(t, wrong.says)
	}
}
