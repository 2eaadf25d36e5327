package publish_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/crm-bridge/crm-bridge/publish"
)

const password = "owner-password"

var discard = slog.New(slog.DiscardHandler)

// openServer starts an embedded server with the streams CRM and CRM_QUARANTINE in dir.
func openServer(t *testing.T, change func(*publish.ServerConfig)) (*publish.Server, *publish.Conn) {
	t.Helper()
	server, conn := bare(t, change)
	for _, stream := range []publish.StreamConfig{streamConfig("CRM", "crm.>"), streamConfig("CRM_QUARANTINE", "crm-quarantine.>")} {
		if _, _, err := conn.EnsureStream(t.Context(), stream); err != nil {
			t.Fatal(err)
		}
	}
	return server, conn
}

// bare starts an embedded server without streams.
func bare(t *testing.T, change func(*publish.ServerConfig)) (*publish.Server, *publish.Conn) {
	t.Helper()
	config := publish.ServerConfig{
		Dir: t.TempDir(), Listen: "127.0.0.1:0", OwnerPass: password, MaxPayload: 1 << 20, Log: discard,
		Readable: []string{"CRM", "CRM_QUARANTINE"},
	}
	if change != nil {
		change(&config)
	}
	server, err := publish.OpenServer(t.Context(), config)
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

func streamConfig(name, subject string) publish.StreamConfig {
	return publish.StreamConfig{Name: name, Subjects: []string{subject}, MaxBytes: 1 << 30, Replicas: 1, Duplicates: time.Minute}
}

// independent connects as any service would, with nats.go alone.
func independent(t *testing.T, server *publish.Server, options ...nats.Option) (*nats.Conn, jetstream.JetStream) {
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

func count(t *testing.T, server *publish.Server, stream string) uint64 {
	t.Helper()
	_, js := independent(t, server)
	s, err := js.Stream(t.Context(), stream)
	if err != nil {
		t.Fatal(err)
	}
	return s.CachedInfo().State.Msgs
}

// A consumer may do all that reading needs, in every way in which client libraries read.
func TestConsumersMayRead(t *testing.T) {
	server, conn := openServer(t, nil)
	publisher := &publish.Publisher{Conn: conn, Stream: "CRM", Prefix: "crm", Metrics: metrics()}
	for i := range 20 {
		if _, err := publisher.Publish(t.Context(), publish.Event{Event: newEvent(t, fmt.Sprint("id-", i))}); err != nil {
			t.Fatal(err)
		}
	}
	nc, js := independent(t, server)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()

	stream, err := js.Stream(ctx, "CRM")
	if err != nil {
		t.Fatal(err)
	}
	if msg, err := stream.GetMsg(ctx, 3); err != nil || msg.Sequence != 3 {
		t.Errorf("get: %v", err)
	}
	if name, err := js.StreamNameBySubject(ctx, "crm.zoho.Deals.edit"); err != nil || name != "CRM" {
		t.Errorf("stream by subject: %s, %v", name, err)
	}
	ordered, err := js.OrderedConsumer(ctx, "CRM", jetstream.OrderedConsumerConfig{FilterSubjects: []string{"crm.zoho.>"}})
	if err != nil {
		t.Fatal(err)
	}
	if msg, err := ordered.Next(); err != nil || msg.Subject() != "crm.zoho.Deals.edit" {
		t.Errorf("ordered consumer: %v", err)
	}
	durable, err := js.CreateOrUpdateConsumer(ctx, "CRM", jetstream.ConsumerConfig{Durable: "billing", AckPolicy: jetstream.AckExplicitPolicy})
	if err != nil {
		t.Fatal(err)
	}
	for got := 0; got < 20 && ctx.Err() == nil; { // on a busy machine in several
		batch, err := durable.Fetch(20)
		if err != nil {
			t.Fatal(err)
		}
		for msg := range batch.Messages() {
			got++
			if err := msg.DoubleAck(ctx); err != nil {
				t.Error(err)
			}
		}
	}
	if info, err := durable.Info(ctx); err != nil || info.AckFloor.Stream != 20 {
		t.Errorf("acknowledged up to %+v, %v", info, err)
	}
	legacy, err := nc.JetStream()
	if err != nil {
		t.Fatal(err)
	}
	pull, err := legacy.PullSubscribe("crm.zoho.>", "legacy")
	if err != nil {
		t.Fatal(err)
	}
	for got := 0; got < 20 && ctx.Err() == nil; {
		msgs, err := pull.Fetch(20, nats.MaxWait(5*time.Second))
		if err != nil && !errors.Is(err, nats.ErrTimeout) {
			t.Fatalf("legacy pull consumer: %v", err)
		}
		got += len(msgs)
	}
	if _, err := legacy.SubscribeSync("crm.zoho.>", nats.OrderedConsumer()); err == nil || !strings.Contains(err.Error(), "pull consumer") {
		t.Errorf("push consumer: %v", err)
	}
	if err := js.DeleteConsumer(ctx, "CRM", "billing"); err != nil {
		t.Errorf("delete its own consumer: %v", err)
	}
}

// Beyond loopback consumers need a user and a password, and nobody connects without them.
func TestConsumersBeyondLoopback(t *testing.T) {
	_, err := publish.OpenServer(t.Context(), publish.ServerConfig{Dir: t.TempDir(), Listen: "0.0.0.0:0", OwnerPass: password, Log: discard})
	if err == nil || !strings.Contains(err.Error(), "user") {
		t.Fatalf("opened to everyone: %v", err)
	}
	for _, reserved := range []string{"crm-bridge", "crm-bridge-gate"} {
		config := publish.ServerConfig{Dir: t.TempDir(), Listen: "127.0.0.1:0", OwnerPass: password, User: reserved, Pass: "x", Log: discard}
		if _, err := publish.OpenServer(t.Context(), config); err == nil || !strings.Contains(err.Error(), reserved) {
			t.Errorf("consumers connect as %s: %v", reserved, err)
		}
	}
	server, _ := openServer(t, func(c *publish.ServerConfig) {
		c.Listen, c.User, c.Pass = "0.0.0.0:0", "reader", "reader-password"
	})
	if _, err := nats.Connect(server.ClientURL()); err == nil {
		t.Error("connected without a user")
	}
	if _, err := nats.Connect(server.ClientURL(), nats.UserInfo("reader", "wrong")); err == nil {
		t.Error("connected with a wrong password")
	}
	_, js := independent(t, server, nats.UserInfo("reader", "reader-password"))
	if _, err := js.Stream(t.Context(), "CRM"); err != nil {
		t.Errorf("the named user may not read: %v", err)
	}
}

// Acknowledged messages and consumers survive a restart of the server.
func TestServerReopens(t *testing.T) {
	dir := t.TempDir()
	open := func() (*publish.Server, *publish.Conn) {
		server, err := publish.OpenServer(t.Context(), publish.ServerConfig{
			Dir: dir, Listen: "127.0.0.1:0", OwnerPass: password, MaxPayload: 1 << 20, Log: discard, Readable: []string{"CRM"},
		})
		if err != nil {
			t.Fatal(err)
		}
		conn, err := server.Connect()
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := conn.EnsureStream(t.Context(), streamConfig("CRM", "crm.>")); err != nil {
			t.Fatal(err)
		}
		return server, conn
	}
	server, conn := open()
	publisher := &publish.Publisher{Conn: conn, Stream: "CRM", Prefix: "crm", Metrics: metrics()}
	if _, err := publisher.Publish(t.Context(), publish.Event{Event: newEvent(t, "a")}, publish.Event{Event: newEvent(t, "b")}); err != nil {
		t.Fatal(err)
	}
	_, js := independent(t, server)
	if _, err := js.CreateOrUpdateConsumer(t.Context(), "CRM", jetstream.ConsumerConfig{Durable: "billing"}); err != nil {
		t.Fatal(err)
	}
	conn.Close()
	server.Close()

	server, conn = open()
	defer server.Close()
	defer conn.Close()
	_, js = independent(t, server)
	consumer, err := js.Consumer(t.Context(), "CRM", "billing")
	if err != nil {
		t.Fatal(err)
	}
	if pending := consumer.CachedInfo().NumPending; pending != 2 {
		t.Errorf("%d events wait for the consumer", pending)
	}
}
