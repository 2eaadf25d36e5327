package bridge

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/status"
	"github.com/crm-bridge/crm-bridge/ingest"
	"github.com/crm-bridge/crm-bridge/publish"
	"github.com/crm-bridge/crm-bridge/publish/consumers"
	"github.com/crm-bridge/crm-bridge/schemas/cloudevent"
)

// A consumer behind more than can be listed, which gave up on an event, needs a person all the same.
func TestStatusOfManyConsumers(t *testing.T) {
	t.Parallel()
	b, _ := runs(t, &ingest.CRM{Provider: "acme", Sources: []ingest.Source{unlisted{}}})
	conn, err := b.Store.Consumers.Reach()
	if err != nil {
		t.Fatal(err)
	}
	for i := range consumers.MaxListed {
		if _, err := conn.JetStream().CreateConsumer(t.Context(), "CRM", jetstream.ConsumerConfig{Name: fmt.Sprintf("reader-%04d", i), MemoryStorage: true, InactiveThreshold: time.Hour}); err != nil {
			t.Fatal(err)
		}
	}
	tired, err := conn.JetStream().CreateConsumer(t.Context(), "CRM", jetstream.ConsumerConfig{Durable: "tired", AckPolicy: jetstream.AckExplicitPolicy, MaxDeliver: 1, AckWait: 50 * time.Millisecond})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := b.Store.Publish(t.Context(), publish.Event{Event: cloudevent.Event{ID: "1", Type: "crm.acme.Deals.edit", Source: "https://acme.example", Data: []byte(`{}`)}}); err != nil {
		t.Fatal(err)
	}
	if _, err := tired.Next(jetstream.FetchMaxWait(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	var r status.Report
	for end := time.Now().Add(30 * time.Second); len(r.Problems) == 0 && time.Now().Before(end); {
		_, _ = tired.Next(jetstream.FetchMaxWait(100 * time.Millisecond)) // the server notices at the next request
		r, _, _ = reported(t, b, tokenOf(t, b))
	}
	if len(r.Problems) != 1 || r.Problems[0].What != "Consumer tired gave up on 1 event." {
		t.Errorf("the problems are %+v", r.Problems)
	}
	if len(r.Consumers) != status.MaxListed || r.MoreConsumers == 0 || !strings.Contains(fmt.Sprint(r.Unknown), "more than 1000 consumers") {
		t.Errorf("%d consumers are listed, %d are not, unknown is %q", len(r.Consumers), r.MoreConsumers, r.Unknown)
	}
}
