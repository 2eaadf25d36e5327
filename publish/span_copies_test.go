package publish_test

import (
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/crm-bridge/crm-bridge/publish"
	"github.com/crm-bridge/crm-bridge/test/ports"
)

// cluster starts three servers that keep copies of streams, and returns a URL of one.
func cluster(t *testing.T) string {
	t.Helper()
	const size = 3
	var routes []*url.URL
	var own [size]int
	for i := range own {
		var err error
		if own[i], err = ports.Free(); err != nil {
			t.Fatal(err)
		}
		routes = append(routes, &url.URL{Scheme: "nats", Host: fmt.Sprintf("127.0.0.1:%d", own[i])})
	}
	var servers []*server.Server
	for i, port := range own {
		s, err := server.NewServer(&server.Options{
			ServerName: fmt.Sprintf("n%d", i), Host: "127.0.0.1", Port: -1, JetStream: true, StoreDir: t.TempDir(), NoSigs: true, NoLog: true, Routes: routes,
			Cluster: server.ClusterOpts{Name: "three", Host: "127.0.0.1", Port: port},
		})
		if err != nil {
			t.Fatal(err)
		}
		go s.Start()
		t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
		servers = append(servers, s)
	}
	for _, s := range servers {
		if !s.ReadyForConnections(10 * time.Second) {
			t.Fatal("a server does not start")
		}
	}
	return servers[0].ClientURL()
}

// What the leader of a stream has acknowledged may reach its other copies a moment later. A span that is read from one of
// those has all of it nevertheless.
func TestSpanOfAStreamWithCopies(t *testing.T) {
	t.Parallel()
	at := cluster(t)
	raw, err := nats.Connect(at)
	if err != nil {
		t.Fatal(err)
	}
	defer raw.Close()
	js, err := jetstream.New(raw)
	if err != nil {
		t.Fatal(err)
	}
	for tries := 0; ; tries++ {
		_, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "CRM", Subjects: []string{"crm.>"}, Replicas: 3})
		if err == nil {
			break
		}
		if tries == 100 {
			t.Fatal(err)
		}
		<-time.After(100 * time.Millisecond) // the cluster has no leader yet
	}
	conn, err := publish.Address{URL: at}.Dial(slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	for i := range 100 {
		for range 5 {
			if _, err := js.Publish(t.Context(), "crm.acme.Deals.edit", nil); err != nil {
				t.Fatal(err)
			}
		}
		span, err := conn.OpenSpan(t.Context(), "CRM", []string{"crm.acme.>", "crm.bitrix24.>"}, publish.Bounds{From: uint64(5*i + 1), Until: time.Now().Add(time.Minute)})
		if err != nil {
			t.Fatal(err)
		}
		span.Patience = 10 * time.Second
		read := uint64(0)
		err = span.Each(t.Context(), func(m publish.Stored) error {
			if read++; m.Sequence != uint64(5*i)+read {
				return errors.New("out of order")
			}
			return nil
		})
		if err != nil || read != 5 {
			t.Fatalf("of the span %d to %d %d events were read: %v", span.First, span.Last, read, err)
		}
	}
}
