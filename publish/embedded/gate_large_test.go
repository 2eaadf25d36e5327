package embedded_test

import (
	"bytes"
	"context"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/crm-bridge/crm-bridge/publish"
	"github.com/crm-bridge/crm-bridge/publish/embedded"
	"github.com/crm-bridge/crm-bridge/test/publishtest"
)

const (
	largeEvents = 200
	allEvents   = 2000
	// readLarge bounds a read, which takes a second, and on a busy machine with the race detector a minute.
	readLarge = 3 * time.Minute
)

// buffer is a log that can be read while it is written.
type buffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *buffer) Write(text []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(text)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// openLarge starts a server as the bridge does, with a stream of small and large events, many large ones in a row. The log shows which
// connections were cut. unread is how many bytes may wait for all readers.
func openLarge(t *testing.T, unread int64) (*embedded.Server, *buffer) {
	t.Helper()
	log := &buffer{}
	server, _ := publishtest.Open(t, func(c *embedded.Config) {
		c.MaxPayload, c.MaxUnread, c.Log = 7<<20+64<<10, unread, slog.New(slog.NewTextHandler(log, nil))
	})
	owner, err := nats.Connect(server.ClientURL(), nats.UserInfo("crm-bridge", publishtest.Password))
	if err != nil {
		t.Fatal(err)
	}
	defer owner.Close()
	js, err := jetstream.New(owner)
	if err != nil {
		t.Fatal(err)
	}
	large, small := bytes.Repeat([]byte("x"), 1<<20), bytes.Repeat([]byte("x"), 1<<10)
	var last jetstream.PubAckFuture
	for i := range allEvents {
		data := small
		if i%20 == 7 || i >= 1000 && i < 1100 { // 100 here and there, 100 in a row
			data = large
		}
		if last, err = js.PublishAsync("crm.acme.Deals.edit", data); err != nil {
			t.Fatal(err)
		}
		if i%20 == 0 {
			<-last.Ok()
		}
	}
	<-js.PublishAsyncComplete()
	return server, log
}

// inOrder counts messages and fails where one is out of order.
type inOrder struct {
	t     *testing.T
	next  uint64
	wrong string // the first message out of order
	done  chan struct{}
}

func (o *inOrder) see(sequence uint64) {
	if o.next++; sequence != o.next && o.wrong == "" {
		o.wrong = fmt.Sprintf("message %d came instead of %d", sequence, o.next)
	}
	if o.next == allEvents {
		close(o.done)
	}
}

func (o *inOrder) take(msg jetstream.Msg) {
	meta, err := msg.Metadata()
	if err != nil {
		o.t.Error(err)
		return
	}
	o.see(meta.Sequence.Stream)
	if err := msg.Ack(); err != nil {
		o.t.Log(err)
	}
}

// attempts is how often a reader may try to get all events over one connection: one that gets no processor is cut, and reconnects.
const attempts = 3

// Every way of reading gets large events in order, each once, over one connection that is not cut.
func TestReadersOfLargeEvents(t *testing.T) {
	if testing.Short() {
		t.Skip("it measures memory")
	}
	server, log := openLarge(t, 128<<20)
	consume := func(ctx context.Context, c jetstream.Consumer, o *inOrder) error {
		reading, err := c.Consume(o.take, jetstream.ConsumeErrHandler(func(_ jetstream.ConsumeContext, err error) { o.t.Log(err) }))
		if err != nil {
			return err
		}
		defer func() {
			reading.Stop()
			<-reading.Closed()
		}()
		select {
		case <-o.done:
		case <-ctx.Done():
		}
		return nil
	}
	for name, read := range map[string]func(ctx context.Context, c jetstream.Consumer, o *inOrder) error{
		"consume": consume, "one at a time": consume,
		"messages": func(ctx context.Context, c jetstream.Consumer, o *inOrder) error {
			messages, err := c.Messages()
			if err != nil {
				return err
			}
			defer messages.Stop()
			for o.next < allEvents {
				msg, err := messages.Next(jetstream.NextContext(ctx))
				if err != nil {
					return err
				}
				if o.next < 600 && o.next%100 == 0 {
					time.Sleep(10 * time.Millisecond) // a service that is slower than the stream
				}
				o.take(msg)
			}
			return nil
		},
		"fetch": func(ctx context.Context, c jetstream.Consumer, o *inOrder) error {
			for o.next < allEvents && ctx.Err() == nil {
				batch, err := c.Fetch(500)
				if err != nil {
					return err
				}
				for msg := range batch.Messages() {
					o.take(msg)
				}
				if err := batch.Error(); err != nil {
					return err
				}
			}
			return nil
		},
	} {
		t.Run(name, func(t *testing.T) {
			for i := range attempts {
				config := jetstream.ConsumerConfig{Durable: fmt.Sprint(strings.ReplaceAll(name, " ", "-"), i), AckPolicy: jetstream.AckExplicitPolicy}
				if name == "one at a time" {
					config.MaxAckPending = 1
				}
				if wrong := readOnce(t, server, config, read); wrong == "" {
					return
				} else if t.Log(wrong); i == attempts-1 {
					t.Error("no attempt got all events in order over one connection")
				}
			}
		})
	}
	for name, address := range map[string]publish.Address{
		"follower": {URL: server.ClientURL()}, "owner follows": {URL: server.ClientURL(), Owner: true, Password: publishtest.Password},
	} {
		t.Run(name, func(t *testing.T) { followLarge(t, address) })
	}
	t.Log(log.String())
}

// readOnce reads all events over one connection, and returns what went wrong; empty: nothing did.
func readOnce(t *testing.T, server *embedded.Server, config jetstream.ConsumerConfig, read func(ctx context.Context, c jetstream.Consumer, o *inOrder) error) string {
	cut := make(chan error, 8)
	conn, js := publishtest.Connect(t, server, nats.DisconnectErrHandler(func(_ *nats.Conn, err error) { cut <- err }))
	defer conn.Close()
	consumer, err := js.CreateConsumer(t.Context(), "CRM", config)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), readLarge)
	defer cancel()
	o := &inOrder{t: t, done: make(chan struct{})}
	begun := time.Now()
	if err := read(ctx, consumer, o); err != nil || o.next < allEvents {
		return fmt.Sprintf("%d of %d events: %v", o.next, allEvents, err)
	}
	t.Logf("read in %s", time.Since(begun))
	select {
	case err := <-cut:
		return fmt.Sprintf("the connection was cut: %v", err)
	default:
		return o.wrong
	}
}

// followLarge reads all events as tail does, and as a replay does.
func followLarge(t *testing.T, address publish.Address) {
	ctx, cancel := context.WithTimeout(t.Context(), readLarge)
	defer cancel()
	reach := func(ctx context.Context) (*publish.Conn, error) { return address.Reach(ctx, publishtest.Log) }
	follower := &publish.Follower{Reach: reach, Stream: "CRM", Since: time.Now().Add(-time.Hour), Lost: func(err error) { t.Errorf("lost: %v", err) }, Back: func(string) {}}
	o := &inOrder{t: t, done: make(chan struct{})}
	err := follower.Follow(ctx, func(m publish.Stored) error {
		if o.see(m.Sequence); o.next == allEvents {
			return context.Canceled
		}
		return nil
	})
	if o.next != allEvents || o.wrong != "" {
		t.Errorf("%d of %d events: %v %s", o.next, allEvents, err, o.wrong)
	}
	conn, err := reach(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	span, err := conn.OpenSpan(ctx, "CRM", nil, publish.Bounds{})
	if err != nil {
		t.Fatal(err)
	}
	span.Failed = func(err error) { t.Errorf("span: %v", err) }
	o = &inOrder{t: t, done: make(chan struct{})}
	if err := span.Each(ctx, func(m publish.Stored) error { o.see(m.Sequence); return nil }); err != nil || o.next != allEvents || o.wrong != "" {
		t.Errorf("span: %d of %d events: %v %s", o.next, allEvents, err, o.wrong)
	}
}
