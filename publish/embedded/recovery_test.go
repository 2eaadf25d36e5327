package embedded_test

import (
	"sync"
	"testing"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/crm-bridge/crm-bridge/publish/embedded"
	"github.com/crm-bridge/crm-bridge/test/ports"
	"github.com/crm-bridge/crm-bridge/test/publishtest"
)

// A consumer that connects while the bridge starts finds the stream and its own durable consumer: the server accepts no connection
// before both are recovered.
func TestConsumersFindTheirStream(t *testing.T) {
	address, err := ports.Address()
	if err != nil {
		t.Fatal(err)
	}
	config := embedded.Config{Dir: t.TempDir(), Listen: address, OwnerPass: publishtest.Password, MaxPayload: 1 << 20, Log: publishtest.Log, Readable: []string{"CRM"}}
	server, conn := publishtest.Serve(t, func(c *embedded.Config) { *c = config })
	for _, name := range []string{"CRM", "A", "B", "C", "D", "E"} { // more to recover
		if _, _, err := conn.EnsureStream(t.Context(), publishtest.Stream(name, name+".>")); err != nil {
			t.Fatal(err)
		}
	}
	_, js := publishtest.Connect(t, server)
	if _, err := js.CreateConsumer(t.Context(), "CRM", jetstream.ConsumerConfig{Durable: "billing", AckPolicy: jetstream.AckExplicitPolicy}); err != nil {
		t.Fatal(err)
	}
	for range 5 {
		conn.Close()
		server.Close()
		var found sync.WaitGroup
		found.Go(func() {
			nc := dialUntil(t, "nats://"+address)
			if nc == nil {
				return
			}
			defer nc.Close()
			js, err := jetstream.New(nc)
			if err == nil {
				_, err = js.Consumer(t.Context(), "CRM", "billing")
			}
			if err != nil {
				t.Errorf("a consumer that came early: %v", err)
			}
		})
		server, conn = publishtest.Serve(t, func(c *embedded.Config) { *c = config })
		found.Wait()
	}
}

// dialUntil connects as soon as a server answers.
func dialUntil(t *testing.T, url string) *nats.Conn {
	for t.Context().Err() == nil {
		if nc, err := nats.Connect(url, nats.ErrorHandler(func(*nats.Conn, *nats.Subscription, error) {})); err == nil {
			return nc
		}
	}
	return nil
}
