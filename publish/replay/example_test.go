package replay_test

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/crm-bridge/crm-bridge/publish"
	"github.com/crm-bridge/crm-bridge/publish/embedded"
	"github.com/crm-bridge/crm-bridge/publish/replay"
	"github.com/crm-bridge/crm-bridge/schemas/cloudevent"
)

// A job posts what a stream holds to an endpoint, as CloudEvents in binary mode, and remembers in a file how far it got.
func Example() {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	dir, err := os.MkdirTemp("", "replay")
	check(err)
	defer func() { _ = os.RemoveAll(dir) }()
	server, err := embedded.Open(ctx, embedded.Config{Dir: dir + "/data", OwnerPass: "secret", MaxPayload: 1 << 20, Log: slog.New(slog.DiscardHandler)})
	check(err)
	defer server.Close()
	conn, err := server.Connect()
	check(err)
	defer conn.Close()
	_, _, err = conn.EnsureStream(ctx, publish.StreamConfig{Name: "CRM", Subjects: []string{"crm.>"}, MaxBytes: 1 << 20, Replicas: 1})
	check(err)
	publisher := &publish.Publisher{Conn: conn, Stream: "CRM", Prefix: "crm", Metrics: publish.NewMetrics(prometheus.NewRegistry())}
	for _, id := range []string{"first", "second", "third"} {
		e := cloudevent.Event{ID: id, Type: "crm.zoho.Deals.edit", Source: "https://www.zohoapis.com/crm/v8/Deals"}
		_, err = publisher.Publish(ctx, publish.Event{Event: e})
		check(err)
	}

	endpoint := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		fmt.Println(r.Header.Get("Ce-Type"), r.Header.Get("Ce-Id"))
	}))
	defer endpoint.Close()
	span, err := conn.OpenSpan(ctx, "CRM", []string{"crm.zoho.>"}, publish.Bounds{From: 2})
	check(err)
	job, err := replay.NewJob(ctx, "billing", replay.Request{Stream: "CRM", From: 2, Target: endpoint.URL}, span)
	check(err)
	store, err := replay.OpenFile(dir + "/billing.json")
	check(err)
	defer func() { _ = store.Close() }()
	job.Store = store
	check(job.Claim(ctx))
	run := &replay.Run{
		Span: span, Job: job, Patience: time.Minute,
		Target: &replay.Endpoint{URL: endpoint.URL, Mode: publish.Binary, Patience: time.Minute},
	}
	check(run.Replay(ctx))
	fmt.Println(job.Tally.Events, "events, up to sequence", job.At)
	// Output:
	// crm.zoho.Deals.edit second
	// crm.zoho.Deals.edit third
	// 2 events, up to sequence 3
}

func check(err error) {
	if err != nil {
		panic(err)
	}
}
