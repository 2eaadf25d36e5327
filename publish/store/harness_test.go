package store_test

import (
	"context"
	"log/slog"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"

	"github.com/crm-bridge/crm-bridge/publish"
	"github.com/crm-bridge/crm-bridge/publish/embedded"
	"github.com/crm-bridge/crm-bridge/publish/store"
	"github.com/crm-bridge/crm-bridge/schemas/cloudevent"
)

// config is that of a store in a folder of its own.
func config(t *testing.T) store.Config {
	log := slog.New(slog.DiscardHandler)
	return store.Config{
		Server: embedded.Config{Dir: t.TempDir(), OwnerPass: "owner", Listen: "127.0.0.1:0", Log: log},
		Stream: "CRM", Prefix: "crm", Mode: publish.Structured, MaxBody: 1 << 20, MaxAge: time.Hour, MaxBytes: 1 << 20, Replicas: 1, Duplicates: time.Minute,
		JournalBytes: 1 << 20, QuarantineBytes: 1 << 20,
		Probe:     func(context.Context) error { return nil },
		JournalID: func() (string, error) { return "this-journal", nil },
		Registry:  prometheus.NewRegistry(), Log: log,
	}
}

// open opens a store, and closes it at the end.
func open(t *testing.T, c store.Config) *store.EventStore {
	t.Helper()
	s, err := store.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Close)
	return s
}

// running runs a store, and drains it at the end. It returns what yields why the store can no longer be used.
func running(t *testing.T, s *store.EventStore) (lost <-chan error) {
	t.Helper()
	given, end, ended := make(chan (<-chan error)), make(chan struct{}), make(chan error, 1)
	go func() {
		ended <- s.Run(context.WithoutCancel(t.Context()), func(lost <-chan error) error {
			given <- lost
			<-end
			ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
			defer cancel()
			return s.Drain(ctx)
		})
	}()
	t.Cleanup(func() {
		close(end)
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return <-given
}

// put publishes an event.
func put(t *testing.T, s *store.EventStore, id string) error {
	t.Helper()
	return putData(t, s, id, `{}`)
}

func putData(t *testing.T, s *store.EventStore, id, data string) error {
	t.Helper()
	e := cloudevent.Event{ID: id, Type: "crm.zoho.Deals.edit", Source: "https://www.zohoapis.com/crm/v2/Deals", Data: []byte(data)}
	ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
	defer cancel()
	_, err := s.Publish(ctx, publish.Event{Event: e})
	return err
}

// owner is the embedded server as its owner uses it.
func owner(t *testing.T, s *store.EventStore) jetstream.JetStream {
	t.Helper()
	return streamsOf(t, s.URL, nats.UserInfo("crm-bridge", "owner"), nats.CustomInboxPrefix("_crm_bridge"))
}

func streamsOf(t *testing.T, url string, options ...nats.Option) jetstream.JetStream {
	t.Helper()
	conn, err := nats.Connect(url, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	return js
}

// far is a remote NATS.
type far struct {
	*server.Server
	options server.Options
	url     string
}

func openFar(t *testing.T) *far {
	t.Helper()
	return openFarWith(t, 0)
}

// openFarWith opens a NATS whose streams may reserve so many bytes; 0: any number.
func openFarWith(t *testing.T, bytes int64) *far {
	t.Helper()
	f := &far{options: server.Options{
		Host: "127.0.0.1", Port: -1, JetStream: true, JetStreamMaxStore: bytes, StoreDir: t.TempDir(), NoSigs: true, NoLog: true,
	}}
	f.start(t)
	f.url = f.ClientURL()
	t.Cleanup(func() { f.stop() })
	return f
}

func (f *far) start(t *testing.T) {
	t.Helper()
	options := f.options
	var err error
	if f.Server, err = server.NewServer(&options); err != nil {
		t.Fatal(err)
	}
	f.Start()
	if !f.ReadyForConnections(10 * time.Second) {
		t.Fatal("the remote does not start")
	}
	f.options.Port = options.Port
}

func (f *far) stop() {
	f.Shutdown()
	f.WaitForShutdown()
}

func (f *far) js(t *testing.T) jetstream.JetStream { return streamsOf(t, f.url) }

// until waits for something to happen.
func until(t *testing.T, happened func() bool) {
	t.Helper()
	for deadline := time.Now().Add(15 * time.Second); !happened(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal("it did not happen")
		}
	}
}
