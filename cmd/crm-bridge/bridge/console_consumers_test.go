package bridge

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
)

// An operator pauses, resumes and resets a consumer, and sees and clears what it gave up on. The bridge's own cannot be changed.
func TestConsumerPages(t *testing.T) {
	w := openWatched(t)
	billing := w.consumer(jetstream.ConsumerConfig{Durable: "billing", MaxDeliver: 1, AckWait: 100 * time.Millisecond, AckPolicy: jetstream.AckExplicitPolicy})
	w.changes("2", "4", "6")
	messages, err := billing.Fetch(3)
	if err != nil {
		t.Fatal(err)
	}
	for m := range messages.Messages() {
		if meta, err := m.Metadata(); err != nil || meta.Sequence.Stream != 2 {
			_ = m.DoubleAck(t.Context())
		}
	}
	form := func(more ...string) url.Values {
		form := url.Values{"stream": {"CRM"}, "name": {"billing"}}
		for i := 0; i < len(more); i += 2 {
			form.Set(more[i], more[i+1])
		}
		return form
	}
	const path = "/console/consumer?name=billing&stream=CRM"
	until(t, "giving up", 20*time.Second, func() bool {
		_, _ = billing.Fetch(1, jetstream.FetchMaxWait(100*time.Millisecond)) // NATS looks at what is not acknowledged when somebody asks
		return strings.Contains(w.get(path), "max deliveries")
	})
	w.shows(path, `href="/console/event?sequence=2"`)
	w.shows("/console/consumers", ">billing<", "gave up", "crm-bridge-records", "bridge&#39;s own"[:6])
	w.does("/console/consumer/clear", form("upto", time.Now().UTC().Format(time.RFC3339Nano)), "Clear the list of what consumer billing of stream CRM gave up on?", "Cleared 1 event from the list")
	w.shows(path, "It gave up on nothing.")

	w.does("/console/consumer/pause", form("for", "1h"), "Pause consumer billing of stream CRM for 1h?", "Paused consumer billing of stream CRM for 1h.")
	if info, err := billing.Info(t.Context()); err != nil || !info.Paused {
		t.Errorf("paused: %+v %v", info, err)
	}
	w.shows(path, "paused", "Resume")
	w.does("/console/consumer/resume", form(), "Resume consumer billing", "Resumed consumer billing")
	if info, err := billing.Info(t.Context()); err != nil || info.Paused {
		t.Errorf("resumed: %+v %v", info, err)
	}
	w.does("/console/consumer/reset", form("to", "sequence", "at", "2"), "It is sent 2 events again.", "Reset consumer billing of stream CRM to sequence 2.")
	if info, err := billing.Info(t.Context()); err != nil || info.NumPending+uint64(info.NumAckPending) != 2 {
		t.Errorf("reset: %+v %v", info, err)
	}
	w.does("/console/consumer/reset", form("to", "first"), "Reset consumer billing of stream CRM to sequence 1?", "to sequence 1.")

	page := w.shows("/console/consumers", "crm-bridge-records-zoho")
	if strings.Contains(w.get("/console/consumer?stream=CRM&name=crm-bridge-records-zoho"), "/console/consumer/pause") {
		t.Error("the bridge's own consumer has actions", main(page))
	}
	own := url.Values{"stream": {"CRM"}, "name": {"crm-bridge-records-zoho"}, "for": {"1h"}, "confirmed": {"yes"}, "csrf": {w.csrf}}
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.base+"/console/consumer/pause", strings.NewReader(own.Encode()))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	if page := w.ask(r, http.StatusBadGateway); !strings.Contains(page, "belongs to the bridge") {
		t.Error(main(page))
	}
}

// An operator sees what a replay would bring, starts it, stops and resumes it, and deletes it with its events.
func TestReplayPages(t *testing.T) {
	w := openWatched(t)
	w.changes("2", "4", "6", "8")
	w.shows("/console/replays", "There are no jobs.")
	w.shows("/console/replay-new?record=4&from=1", `value="4"`, `value="1"`)
	w.does("/console/replay-new/start", url.Values{"target": {"subject"}, "name": {"again"}, "from": {"2"}}, "Replay 3 events to crm-replay.again.>?", "Started job again.")
	w.eventually("/console/replay?name=again", ">done<")
	w.shows("/console/replays", ">again<", "from sequence 2", "100 %")
	w.does("/console/replay/delete", url.Values{"name": {"again"}}, "Delete job again with the 3 events that it has published?", "Deleted job again with 3 events that it had published.")
	w.shows("/console/replays", "There are no jobs.")

	var posted atomic.Int64
	endpoint := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if _, password, _ := r.BasicAuth(); password == "secret" && strings.HasSuffix(r.URL.Path, "/k3y") {
			posted.Add(1)
		}
	}))
	t.Cleanup(endpoint.Close)
	target := strings.Replace(endpoint.URL, "//", "//user:secret@", 1) + "/k3y"
	w.does("/console/replay-new/start", url.Values{"target": {"url"}, "url": {target}, "name": {"posts"}, "rate": {"0.5"}}, "Replay 4 events to "+endpoint.URL+"/***?", "Started job posts.")
	for _, path := range []string{"/console/replays", "/console/replay?name=posts"} {
		if page := w.shows(path, "running"); strings.Contains(page, "secret") || strings.Contains(page, "/k3y") {
			t.Errorf("%s shows the endpoint's secrets", path)
		}
	}
	w.does("/console/replay/stop", url.Values{"name": {"posts"}}, "Stop job posts?", "Stopped job posts.")
	w.shows("/console/replay?name=posts", "stopped", "URL of the endpoint")
	w.does("/console/replay/resume", url.Values{"name": {"posts"}}, "Resume job posts to ", "Resumed job posts.")
	w.eventually("/console/replay?name=posts", ">done<")
	if n := posted.Load(); n != 4 {
		t.Errorf("posted %d events", n)
	}
	w.does("/console/replay/delete", url.Values{"name": {"posts"}}, "that it has posted stay where they are", "Deleted job posts.")
	for form, why := range map[string]string{
		"target=url": "Give the URL", "target=url&url=ftp://x": "must be an http or https URL", "target=subject&rate=x": "The rate must be", "target=subject&subject=crm.none.>": "Nothing is selected",
		"target=subject&name=a.b": "The name of a job", "target=subject&from=x": "A sequence is a number",
	} {
		values, _ := url.ParseQuery(form)
		values.Set("csrf", w.csrf)
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, w.base+"/console/replay-new/start", strings.NewReader(values.Encode()))
		if err != nil {
			t.Fatal(err)
		}
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
		if page := w.ask(r, http.StatusBadRequest); !strings.Contains(page, why) {
			t.Errorf("%s: %s", form, main(page))
		}
	}
}
