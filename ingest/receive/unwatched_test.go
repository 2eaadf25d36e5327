package receive_test

import (
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/crm-bridge/crm-bridge/ingest/receive"
)

// On connections that nobody watches, requests one behind another are answered, sent at once or one by one, with bodies that come late
// and in pieces; and a client that has gone does not hold a connection beyond its request.
func TestUnwatched(t *testing.T) {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	entered, release := make(chan struct{}), make(chan struct{})
	bound := &receive.Connections{Max: 1, HeaderBytes: 1 << 20, Unwatched: true, Label: "connections", Metrics: receive.NewMetrics(prometheus.NewRegistry())}
	server := receive.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/waits" {
			entered <- struct{}{}
			<-release
		}
		_, _ = io.Copy(w, r.Body)
	}), time.Second, slog.New(slog.DiscardHandler))
	server.ConnState = bound.Track
	go func() { _ = server.Serve(bound.Limit(inner)) }()
	t.Cleanup(func() { _ = server.Close() })

	const post = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n"
	chunked := "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n4;" + strings.Repeat("x", 4080) + "\r\nbody\r\n0\r\n\r\n"
	conn, from := connect(t, inner.Addr().String(), "")
	for _, pieces := range [][]string{{ask}, {post + "body"}, {post, "bo", "dy"}, {post + "body" + post, "body", ask + post + "body"}, {chunked[:60], chunked[60:4150], chunked[4150:]}, {ask}} {
		answers := 0
		for _, piece := range pieces {
			if _, err := io.WriteString(conn, piece); err != nil {
				t.Fatal(err)
			}
			answers += strings.Count(piece, "HTTP/1.1")
		}
		for range answers {
			if status := ends(from); status != 200 {
				t.Fatalf("%q was answered %d", pieces, status)
			}
		}
	}

	if _, err := io.WriteString(conn, "GET /waits HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	<-entered
	if err := conn.Close(); err != nil {
		t.Fatal(err)
	}
	release <- struct{}{}
	if _, next := connect(t, inner.Addr().String(), ask); ends(next) != 200 {
		t.Error("the next connection was not answered")
	}
}
