package bridge

import (
	"bytes"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/publish/erase"
	"github.com/crm-bridge/crm-bridge/publish/replay"
)

// A record that is erased while jobs have its events read reaches neither their subjects nor their endpoint, and a job that selects it is
// removed.
func TestEraseWhileJobsRun(t *testing.T) {
	b, callbacks := runs(t, &ingest.CRM{Provider: "zoho", Sources: []ingest.Source{batches{&atomic.Bool{}}}})
	answer, err := http.Post(callbacks+"/acme/webhooks", "application/json", bytes.NewReader([]byte(`[2,4,6,4,8,4]`)))
	if err != nil {
		t.Fatal(err)
	}
	_ = answer.Body.Close()
	var posts, victims atomic.Int32
	hung := make(chan bool)
	answered := sync.OnceFunc(func() { close(hung) })
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if body, _ := io.ReadAll(r.Body); bytes.Contains(body, []byte(`"ids":["4"]`)) {
			victims.Add(1)
		}
		if posts.Add(1) == 1 {
			<-hung
		}
	}))
	defer server.Close()
	defer answered()
	to, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	for name, order := range map[string]replay.Order{
		"posts":  {Options: replay.Options{Endpoint: to}},
		"record": {Selection: replay.Selection{Record: "4"}},
	} {
		order.Name = name
		if _, err := b.Replays.Start(t.Context(), order); err != nil {
			t.Fatal(err)
		}
	}
	await := func(name string, events uint64) {
		t.Helper()
		for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(time.Millisecond) {
			all, err := b.Replays.List(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if slices.ContainsFunc(all, func(one replay.Status) bool {
				return one.Name == name && one.State == replay.Done && one.Tally.Events == events
			}) {
				return
			}
		}
		t.Fatalf("job %s is not done with %d events", name, events)
	}
	await("record", 3)
	if _, err := b.Replays.Start(t.Context(), replay.Order{Name: "slow", Options: replay.Options{Rate: 2}}); err != nil {
		t.Fatal(err)
	}
	for posts.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	one := order{Record: erase.Record{Provider: "zoho", Module: "Deals", ID: "4"}}
	for _, one.DryRun = range []bool{true, false} {
		found, err := b.eraser.erase(t.Context(), one, nil)
		if err != nil {
			t.Fatal(err)
		}
		for _, want := range []erase.Found{{Stream: "CRM", Deleted: 3}, {Stream: "KV_CRM_STATE", Deleted: 1}} {
			if !slices.Contains(found, want) {
				t.Errorf("dry run %t: found %+v, without %+v", one.DryRun, found, want)
			}
		}
	}
	answered()
	await("posts", 3)
	if n := victims.Load(); n != 0 {
		t.Errorf("%d of its events were posted", n)
	}
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(10 * time.Millisecond) {
		all, err := b.Replays.List(t.Context())
		if err != nil || len(all) != 2 {
			t.Fatalf("%+v: %v", all, err)
		}
		if !slices.ContainsFunc(all, func(one replay.Status) bool { return one.State == replay.Running }) {
			break
		}
	}
	one.DryRun = true
	found, err := b.eraser.erase(t.Context(), one, nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, part := range found {
		if part.Deleted != 0 {
			t.Errorf("it came back: %+v", part)
		}
	}
}
