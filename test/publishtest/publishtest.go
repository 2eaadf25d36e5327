// Package publishtest opens embedded NATS servers for tests, and makes what they store.
package publishtest

import (
	"log/slog"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/crm-bridge/crm-bridge/publish"
	"github.com/crm-bridge/crm-bridge/publish/embedded"
	"github.com/crm-bridge/crm-bridge/schemas/cloudevent"
)

// Password is that of the bridge's own user on the servers.
const Password = "owner-password"

// Log discards what is logged.
var Log = slog.New(slog.DiscardHandler)

// Serve starts a server without streams, for consumers too; change changes its configuration; nil: nothing does.
func Serve(t testing.TB, change func(*embedded.Config)) (*embedded.Server, *publish.Conn) {
	t.Helper()
	config := embedded.Config{
		Dir: t.TempDir(), Listen: "127.0.0.1:0", OwnerPass: Password, MaxPayload: 1 << 20, Log: Log,
		Readable: []string{"CRM", "CRM_QUARANTINE"},
	}
	if change != nil {
		change(&config)
	}
	server, err := embedded.Open(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(server.Close)
	conn, err := server.Connect()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	return server, conn
}

// Open is Serve with the streams CRM and CRM_QUARANTINE.
func Open(t testing.TB, change func(*embedded.Config)) (*embedded.Server, *publish.Conn) {
	t.Helper()
	server, conn := Serve(t, change)
	EnsureStream(t, conn, "CRM", "crm.>")
	EnsureStream(t, conn, "CRM_QUARANTINE", "crm-quarantine.>")
	return server, conn
}

// Stream returns the configuration of a stream on a subject.
func Stream(name, subject string) publish.StreamConfig {
	return publish.StreamConfig{Name: name, Subjects: []string{subject}, MaxBytes: 1 << 30, Replicas: 1, Duplicates: time.Minute}
}

// EnsureStream ensures a stream on a subject.
func EnsureStream(t testing.TB, conn *publish.Conn, name, subject string) {
	t.Helper()
	if _, _, err := conn.EnsureStream(t.Context(), Stream(name, subject)); err != nil {
		t.Fatal(err)
	}
}

// Connect connects to a server as any consumer would, with nats.go alone.
func Connect(t *testing.T, server *embedded.Server, options ...nats.Option) (*nats.Conn, jetstream.JetStream) {
	t.Helper()
	conn, err := nats.Connect(server.ClientURL(), append(options, nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {}))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	return conn, js
}

// Publisher returns a Publisher of events to stream CRM.
func Publisher(conn *publish.Conn) *publish.Publisher {
	return &publish.Publisher{Conn: conn, Stream: "CRM", Prefix: "crm", Metrics: Metrics()}
}

// Metrics returns metrics that nobody reads.
func Metrics() *publish.Metrics { return publish.NewMetrics(prometheus.NewRegistry()) }

// Event returns an event of a deal.
func Event(id string) cloudevent.Event {
	return cloudevent.Event{
		ID: id, Type: "crm.acme.Deals.edit", Source: "https://acme.example/Deals", Subject: "5725767000003000010", Time: time.UnixMilli(1718115953625),
		DataSchema: "urn:crm-bridge:schema:v1:acme-notifications", Data: []byte(`{"big":12345678901234567890.10}`),
		Extensions: []cloudevent.Extension{{Name: "crmaccount", Value: "default"}},
	}
}

// Read returns what the CloudEvents SDK has read, as the bridge holds an event.
func Read(t testing.TB, from event.Event) cloudevent.Event {
	t.Helper()
	if err := from.Validate(); err != nil {
		t.Fatal(err)
	}
	e := cloudevent.Event{ID: from.ID(), Source: from.Source(), Type: from.Type(), Subject: from.Subject(), DataSchema: from.DataSchema(), Time: from.Time().Local(), Data: from.Data()}
	for _, name := range slices.Sorted(maps.Keys(from.Extensions())) {
		value, ok := from.Extensions()[name].(string)
		if !ok {
			t.Fatalf("the extension %s is not a string", name)
		}
		e.Extensions = append(e.Extensions, cloudevent.Extension{Name: name, Value: value})
	}
	return e
}
