package bridge

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/crm-bridge/crm-bridge/ingest"
)

// deals is a CRM whose records change: a Reader of batches' records.
type deals struct {
	mu      sync.Mutex
	records map[string]ingest.Record
	now     time.Time
}

// set changes a record.
func (d *deals) set(id string, values map[string]any) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.now = d.now.Add(time.Minute)
	text, _ := json.Marshal(values)
	d.records[id] = ingest.Record{ID: id, Values: text, ModifiedAt: d.now, ChangedBy: "Ann"}
}

// Read implements ingest.Reader.
func (d *deals) Read(_ context.Context, _, _ string, ids []string) (ingest.Found, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	found := ingest.Found{Records: map[string]ingest.Record{}}
	for _, id := range ids {
		if one, ok := d.records[id]; ok {
			found.Records[id] = one
		}
	}
	return found, nil
}

// watched is a running bridge that an operator watches, with a CRM whose records it keeps.
type watched struct {
	*operator
	bridge    *Bridge
	crm       *deals
	callbacks string
}

func openWatched(t *testing.T) *watched {
	t.Helper()
	t.Setenv("BRIDGE_RECORDS_HISTORY", "10")
	crm := &deals{records: map[string]ingest.Record{}, now: time.Now().Add(-time.Hour)}
	b, callbacks := runs(t, &ingest.CRM{Provider: "zoho", Sources: []ingest.Source{batches{&atomic.Bool{}}}, Accounts: []string{"default"}, Reader: crm, KeptModules: []string{"Deals"}})
	w := &watched{signsIn(t, b), b, crm, callbacks}
	w.eventually("/console/consumers", "crm-bridge-records-zoho") // what is stored before is not read for records
	return w
}

// changes sends a callback about records.
func (w *watched) changes(ids ...string) {
	w.t.Helper()
	answer, err := http.Post(w.callbacks+"/acme/webhooks", "application/json", strings.NewReader("["+strings.Join(ids, ",")+"]"))
	if err != nil {
		w.t.Fatal(err)
	}
	if err := answer.Body.Close(); err != nil || answer.StatusCode != http.StatusOK {
		w.t.Fatal(answer.Status)
	}
}

// even returns the id of the n-th record that batches understands: it has even digits alone.
func even(n int) string {
	return strings.NewReplacer("1", "2", "2", "4", "3", "6", "4", "8").Replace(strconv.FormatInt(int64(625+n), 5))
}

// eventually waits until a page shows a text.
func (w *watched) eventually(path, text string) {
	w.t.Helper()
	until(w.t, path+" showing "+text, 20*time.Second, func() bool { return strings.Contains(w.get(path), text) })
}

// consumer makes a consumer as a worker does.
func (w *watched) consumer(config jetstream.ConsumerConfig) jetstream.Consumer {
	w.t.Helper()
	conn, err := nats.Connect(w.bridge.Store.URL)
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(conn.Close)
	js, err := jetstream.New(conn)
	if err != nil {
		w.t.Fatal(err)
	}
	consumer, err := js.CreateConsumer(w.t.Context(), "CRM", config)
	if err != nil {
		w.t.Fatal(err)
	}
	return consumer
}

// An operator finds events by each of the filters, pages through them, and sees one with where consumers are.
func TestEventPages(t *testing.T) {
	w := openWatched(t)
	for i := range 60 {
		w.changes(even(i))
	}
	w.consumer(jetstream.ConsumerConfig{Durable: "billing"})
	page := w.shows("/console/events", ">"+even(59)+"<", "Event 60", "next=10")
	if strings.Contains(page, ">"+even(0)+"<") {
		t.Error("the first page shows the oldest event")
	}
	w.shows("/console/events?next=10", ">"+even(0)+"<", "There is nothing older.")
	w.shows("/console/events?order=oldest", ">"+even(0)+"<", "next=51")
	w.shows("/console/events?record="+even(3), "Event 4", "crm.zoho.Deals.edit")
	w.shows("/console/events?subject=crm.*.Leads.*", "No event")
	w.shows("/console/events?subject=crm..x", "The subject must be tokens joined by dots")
	w.shows("/console/events?since=1h&until=2h", "The first time must be before the second.")
	w.shows("/console/events?origin=live&account=default&since=1h&record="+even(3), "Event 4")
	w.shows("/console/events?origin=repair", "No event")

	page = w.shows("/console/event?sequence=4", "crm.zoho.Deals.edit", "crmaccount", ">billing<", "to come", "&#34;ids&#34;: [", "All events of it"[4:])
	_, id, _ := strings.Cut(page, `<dt>id</dt><dd class="mono">`)
	id, _, _ = strings.Cut(id, "<")
	w.shows("/console/events?event="+id, "Event 4")
	for _, path := range []string{"/console/event?sequence=4000", "/console/event?sequence=x", "/console/event"} {
		r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.base+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		w.ask(r, http.StatusNotFound)
	}
}

// What an operator watches live arrives as it is stored, as far as it is selected, for longer than a request may take.
func TestLiveEvents(t *testing.T) {
	w := openWatched(t)
	r, err := http.NewRequestWithContext(t.Context(), http.MethodGet, w.base+"/console/events/live?record=44", nil)
	if err != nil {
		t.Fatal(err)
	}
	answer, err := (&http.Client{Jar: w.http.Jar}).Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = answer.Body.Close() }()
	lines := bufio.NewScanner(answer.Body)
	next := func(begins string) string {
		t.Helper()
		for lines.Scan() {
			if strings.HasPrefix(lines.Text(), begins) {
				return lines.Text()
			}
		}
		t.Fatal(lines.Err())
		return ""
	}
	next("event: open")
	until(t, "the tail's consumer", 10*time.Second, func() bool { return w.reads() })
	w.changes("42", "44")
	if line := next("data: <tr>"); !strings.Contains(line, "Event 2") || !strings.Contains(line, ">44<") {
		t.Error(line)
	}
	w.post("/console/sign-out", url.Values{})
	w.changes("44")
	if next("event: problem"); !strings.Contains(next("data: "), "session has ended") {
		t.Error("the stream of a session that has ended goes on")
	}
	if _, err := io.Copy(io.Discard, answer.Body); err != nil {
		t.Error(err)
	}
}

// reads reports whether a tail reads the stream.
func (w *watched) reads() bool {
	all, err := w.bridge.Store.Consumers.List(w.t.Context())
	if err != nil {
		w.t.Fatal(err)
	}
	for _, one := range all {
		if !one.Durable {
			return true
		}
	}
	return false
}

// An operator sees which records are kept, a record as it is now, and what each state changed, with the events that caused it.
func TestRecordPages(t *testing.T) {
	w := openWatched(t)
	w.shows("/console/records", "Deals", "no event yet")
	const path = "/console/record?provider=zoho&module=Deals&id=44"
	w.shows(path, "it appears with its next change", "/console/events?record=44")
	w.crm.set("44", map[string]any{"Stage": "New", "Amount": 100, "Note": "<b>bold</b>"})
	w.changes("44")
	w.eventually(path, "The first state")
	w.crm.set("44", map[string]any{"Stage": "Won", "Amount": 100, "Owner": "Ann"})
	w.changes("44")
	w.eventually(path, "<del>New</del>")
	w.shows(path, "<ins>Won</ins>", "<ins>Ann</ins>", "<del>&lt;b&gt;bold&lt;/b&gt;</del>", "<dt>Stage</dt><dd>Won</dd>", "by Ann", `href="/console/event?sequence=2"`, "account default")
	w.shows("/console/records", ">default<", "kept")
	w.shows("/console/record?provider=zoho&module=Leads&id=44", "Records of Leads are not kept")
	w.shows("/console/record?provider=zoho&module=Deals", "Give the id of a record.")
}
