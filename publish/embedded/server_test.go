package embedded_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/crm-bridge/crm-bridge/publish"
	"github.com/crm-bridge/crm-bridge/publish/embedded"
	"github.com/crm-bridge/crm-bridge/test/publishtest"
)

// A consumer may do all that reading needs, in every way in which client libraries read.
func TestConsumersMayRead(t *testing.T) {
	server, conn := publishtest.Open(t, nil)
	publisher := publishtest.Publisher(conn)
	for i := range 20 {
		if _, err := publisher.Publish(t.Context(), publish.Event{Event: publishtest.Event(fmt.Sprint("id-", i))}); err != nil {
			t.Fatal(err)
		}
	}
	nc, js := publishtest.Connect(t, server)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()

	stream, err := js.Stream(ctx, "CRM")
	if err != nil {
		t.Fatal(err)
	}
	if msg, err := stream.GetMsg(ctx, 3); err != nil || msg.Sequence != 3 {
		t.Errorf("get: %v", err)
	}
	if name, err := js.StreamNameBySubject(ctx, "crm.acme.Deals.edit"); err != nil || name != "CRM" {
		t.Errorf("stream by subject: %s, %v", name, err)
	}
	ordered, err := js.OrderedConsumer(ctx, "CRM", jetstream.OrderedConsumerConfig{FilterSubjects: []string{"crm.acme.>"}})
	if err != nil {
		t.Fatal(err)
	}
	if msg, err := ordered.Next(); err != nil || msg.Subject() != "crm.acme.Deals.edit" {
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
	pull, err := legacy.PullSubscribe("crm.acme.>", "legacy")
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
	if _, err := legacy.SubscribeSync("crm.acme.>", nats.OrderedConsumer()); err == nil || !strings.Contains(err.Error(), "pull consumer") {
		t.Errorf("push consumer: %v", err)
	}
	if err := js.DeleteConsumer(ctx, "CRM", "billing"); err != nil {
		t.Errorf("delete its own consumer: %v", err)
	}
}

// Beyond loopback consumers need a user and a password, and nobody connects without them.
func TestConsumersBeyondLoopback(t *testing.T) {
	_, err := embedded.Open(t.Context(), embedded.Config{Dir: t.TempDir(), Listen: "0.0.0.0:0", OwnerPass: publishtest.Password, Log: publishtest.Log})
	if err == nil || !strings.Contains(err.Error(), "user") {
		t.Fatalf("opened to everyone: %v", err)
	}
	for _, reserved := range []string{"crm-bridge", "crm-bridge-gate"} {
		config := embedded.Config{Dir: t.TempDir(), Listen: "127.0.0.1:0", OwnerPass: publishtest.Password, User: reserved, Pass: "x", Log: publishtest.Log}
		if _, err := embedded.Open(t.Context(), config); err == nil || !strings.Contains(err.Error(), reserved) {
			t.Errorf("consumers connect as %s: %v", reserved, err)
		}
	}
	server, _ := publishtest.Open(t, func(c *embedded.Config) {
		c.Listen, c.User, c.Pass = "0.0.0.0:0", "reader", "reader-password"
	})
	if _, err := nats.Connect(server.ClientURL()); err == nil {
		t.Error("connected without a user")
	}
	if _, err := nats.Connect(server.ClientURL(), nats.UserInfo("reader", "wrong")); err == nil {
		t.Error("connected with a wrong password")
	}
	_, js := publishtest.Connect(t, server, nats.UserInfo("reader", "reader-password"))
	if _, err := js.Stream(t.Context(), "CRM"); err != nil {
		t.Errorf("the named user may not read: %v", err)
	}
}

// Acknowledged messages and consumers survive a restart of the server.
func TestServerReopens(t *testing.T) {
	dir := t.TempDir()
	open := func() (*embedded.Server, *publish.Conn) {
		server, err := embedded.Open(t.Context(), embedded.Config{
			Dir: dir, Listen: "127.0.0.1:0", OwnerPass: publishtest.Password, MaxPayload: 1 << 20, Log: publishtest.Log, Readable: []string{"CRM"},
		})
		if err != nil {
			t.Fatal(err)
		}
		conn, err := server.Connect()
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := conn.EnsureStream(t.Context(), publishtest.Stream("CRM", "crm.>")); err != nil {
			t.Fatal(err)
		}
		return server, conn
	}
	server, conn := open()
	publisher := publishtest.Publisher(conn)
	if _, err := publisher.Publish(t.Context(), publish.Event{Event: publishtest.Event("a")}, publish.Event{Event: publishtest.Event("b")}); err != nil {
		t.Fatal(err)
	}
	_, js := publishtest.Connect(t, server)
	if _, err := js.CreateOrUpdateConsumer(t.Context(), "CRM", jetstream.ConsumerConfig{Durable: "billing"}); err != nil {
		t.Fatal(err)
	}
	conn.Close()
	server.Close()

	server, conn = open()
	defer server.Close()
	defer conn.Close()
	_, js = publishtest.Connect(t, server)
	consumer, err := js.Consumer(t.Context(), "CRM", "billing")
	if err != nil {
		t.Fatal(err)
	}
	if pending := consumer.CachedInfo().NumPending; pending != 2 {
		t.Errorf("%d events wait for the consumer", pending)
	}
}
