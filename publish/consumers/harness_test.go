package consumers_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/crm-bridge/crm-bridge/publish"
	"github.com/crm-bridge/crm-bridge/publish/consumers"
	"github.com/crm-bridge/crm-bridge/test/publishtest"
)

// house is a bridge's server, with a list of what consumers gave up on, and a reader who is no more than that.
type house struct {
	*testing.T
	conn   *publish.Conn
	list   *consumers.DeadLetters
	nc     *nats.Conn
	reader jetstream.JetStream
}

func open(t *testing.T) *house {
	t.Helper()
	server, conn := publishtest.Open(t, nil)
	h := &house{T: t, conn: conn, list: letters(conn)}
	h.keepLetters(conn)
	h.nc, h.reader = publishtest.Connect(t, server)
	return h
}

// letters returns the list of a server.
func letters(conn *publish.Conn) *consumers.DeadLetters {
	reach := func() (*publish.Conn, error) { return conn, nil }
	return &consumers.DeadLetters{Stream: "CRM_DEAD", Reach: reach, Marks: &publish.Bucket{Reach: reach, Name: "CRM_STATE", Replicas: 1}}
}

// keepLetters makes the stream of the list.
func (h *house) keepLetters(conn *publish.Conn) {
	h.Helper()
	config := publishtest.Stream("CRM_DEAD", "")
	config.Subjects = consumers.Advisories("CRM", "CRM_QUARANTINE")
	if _, _, err := conn.EnsureStream(h.Context(), config); err != nil {
		h.Fatal(err)
	}
}

// publish stores events with the ids from-1 and so on.
func (h *house) publish(first, last int) {
	h.Helper()
	for n := first; n <= last; n++ {
		if _, err := publishtest.Publisher(h.conn).Publish(h.Context(), publish.Event{Event: publishtest.Event(fmt.Sprintf("event-%d", n))}); err != nil {
			h.Fatal(err)
		}
	}
}

// consume makes a consumer as a reader.
func (h *house) consume(config jetstream.ConsumerConfig) jetstream.Consumer {
	h.Helper()
	consumer, err := h.reader.CreateOrUpdateConsumer(h.Context(), "CRM", config)
	if err != nil {
		h.Fatal(err)
	}
	return consumer
}

// fetch returns the messages that a consumer is sent within a moment, at most n.
func (h *house) fetch(consumer jetstream.Consumer, n int) (all []jetstream.Msg) {
	h.Helper()
	batch, err := consumer.Fetch(n, jetstream.FetchMaxWait(2*time.Second))
	if err != nil {
		h.Fatal(err)
	}
	for m := range batch.Messages() {
		all = append(all, m)
	}
	return all
}

// one returns the only consumer of stream CRM of a name.
func (h *house) one(name string) consumers.Consumer {
	h.Helper()
	all, err := consumers.List(h.Context(), h.conn, "CRM")
	if err != nil {
		h.Fatal(err)
	}
	for _, one := range all {
		if one.Name == name {
			return one
		}
	}
	h.Fatalf("consumer %s is not listed in %v", name, all)
	return consumers.Consumer{}
}

// dead waits until a consumer has given up on so many messages, and returns them.
func (h *house) dead(consumer string, n int) []consumers.DeadLetter {
	h.Helper()
	for deadline := time.Now().Add(20 * time.Second); ; time.Sleep(20 * time.Millisecond) {
		all, err := h.list.List(h.Context(), "CRM", consumer)
		if err != nil {
			h.Fatal(err)
		}
		if len(all) == n {
			return all
		}
		if time.Now().After(deadline) {
			h.Fatalf("%s gave up on %v, not on %d", consumer, all, n)
		}
	}
}

// sequence returns the sequence of a message.
func sequence(t *testing.T, m jetstream.Msg) uint64 {
	t.Helper()
	data, err := m.Metadata()
	if err != nil {
		t.Fatal(err)
	}
	return data.Sequence.Stream
}

// openRemote starts a NATS of somebody else, with a user who may do everything, and one with some permissions.
func openRemote(t *testing.T, may ...string) (all, restricted *publish.Conn) {
	t.Helper()
	options := &server.Options{
		Host: "127.0.0.1", Port: -1, JetStream: true, StoreDir: t.TempDir(), NoSigs: true, NoLog: true,
		Users: []*server.User{
			{Username: "all", Password: "pass"},
			{Username: "some", Password: "pass", Permissions: &server.Permissions{Publish: &server.SubjectPermission{Allow: may}}},
		},
	}
	s, err := server.NewServer(options)
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() {
		s.Shutdown()
		s.WaitForShutdown()
	})
	if !s.ReadyForConnections(10 * time.Second) {
		t.Fatal("the remote does not start")
	}
	connect := func(user string) *publish.Conn {
		conn, err := publish.Open(s.ClientURL(), append(publish.ConnOptions(publishtest.Log), nats.UserInfo(user, "pass")))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(conn.Close)
		return conn
	}
	return connect("all"), connect("some")
}

// soon is a context that ends within a second.
func soon(t *testing.T) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	t.Cleanup(cancel)
	return ctx
}
