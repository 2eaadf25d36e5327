package receive_test

import (
	"bufio"
	"crypto/tls"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/crm-bridge/crm-bridge/ingest/receive"
)

// bounded serves "hello" on a limited number of connections, and returns its address.
func bounded(t *testing.T, most int, headerBytes int64, secure *tls.Config) string {
	t.Helper()
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	bound := &receive.Connections{Max: most, HeaderBytes: headerBytes, TLS: secure != nil, Label: "connections", Metrics: receive.NewMetrics(prometheus.NewRegistry())}
	listener := bound.Limit(inner)
	if secure != nil {
		listener = tls.NewListener(listener, secure)
	}
	server := receive.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "hello") }), time.Second, slog.New(slog.DiscardHandler))
	server.ConnState = bound.Track
	served := make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	t.Cleanup(func() {
		_ = server.Close()
		if err := <-served; !errors.Is(err, http.ErrServerClosed) {
			t.Error(err)
		}
	})
	return inner.Addr().String()
}

// connect opens a connection and sends.
func connect(t *testing.T, address, text string) (net.Conn, *bufio.Reader) {
	t.Helper()
	conn, err := net.Dial("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	return conn, bufio.NewReader(conn)
}

const ask = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"

// ends returns the status of an answer; 0 if the connection was closed without one.
func ends(from *bufio.Reader) int {
	response, err := http.ReadResponse(from, nil)
	if err != nil {
		return 0
	}
	_, _ = io.Copy(io.Discard, response.Body)
	return response.StatusCode
}

// At the limit idle connections are closed for new ones, over TLS too.
func TestIdleConnectionsMakeRoom(t *testing.T) {
	secure := httptest.NewTLSServer(nil)
	defer secure.Close()
	for name, config := range map[string]*tls.Config{"plain": nil, "TLS": {Certificates: secure.TLS.Certificates}} {
		t.Run(name, func(t *testing.T) {
			address := bounded(t, 3, 1<<20, config)
			for i := range 20 {
				conn, from := connect(t, address, "")
				if config != nil {
					over := tls.Client(conn, &tls.Config{InsecureSkipVerify: true})
					conn, from = over, bufio.NewReader(over)
				}
				if _, err := io.WriteString(conn, ask); err != nil {
					t.Fatal(err)
				}
				if status := ends(from); status != 200 {
					t.Fatalf("connection %d was answered %d", i, status)
				}
			}
		})
	}
}

// Connections with unfinished headers are cut for new ones, with 408.
func TestUnfinishedHeadersMakeRoom(t *testing.T) {
	address := bounded(t, 3, 1<<20, nil)
	var slow []*bufio.Reader
	for range 3 {
		_, from := connect(t, address, "GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ")
		slow = append(slow, from)
	}
	for range 3 {
		_, from := connect(t, address, ask)
		if status := ends(from); status != 200 {
			t.Fatalf("answered %d", status)
		}
	}
	if status := ends(slow[0]); status != 408 {
		t.Errorf("the first that was slow was answered %d", status)
	}
}

// The bytes of all unfinished headers are limited, and a whole one is still read.
func TestUnfinishedHeadersAreBounded(t *testing.T) {
	address := bounded(t, 1000, 100<<10, nil)
	cut := make(chan int, 10)
	for range 10 {
		_, from := connect(t, address, "GET / HTTP/1.1\r\nHost: x\r\nX-Slow: "+strings.Repeat("x", 20<<10))
		go func() { cut <- ends(from) }()
	}
	late := time.After(3 * time.Second) // the server's own timeout is 5 s
	for range 5 {
		select {
		case <-cut:
		case <-late:
			t.Fatal("they are not cut")
		}
	}
	if _, from := connect(t, address, ask); ends(from) != 200 {
		t.Error("a whole header is not answered")
	}
}

// An unfinished header is answered with 408, one that is too large with 431, and one that is not HTTP with 400: with problem documents,
// although no handler sees them.
func TestHeadersThatDoNotEnd(t *testing.T) {
	address := bounded(t, 10, 1<<20, nil)
	for want, text := range map[int]string{
		408: "GET / HTTP/1.1\r\nHost: x\r\nX-Slow: ",
		431: "GET / HTTP/1.1\r\nHost: x\r\nX-Long: " + strings.Repeat("x", 36<<10) + "\r\n\r\n",
		400: "nonsense\r\n\r\n",
	} {
		_, from := connect(t, address, text)
		response, err := http.ReadResponse(from, nil)
		if err != nil {
			t.Fatal(err)
		}
		var problem struct{ Status int }
		if err := json.NewDecoder(response.Body).Decode(&problem); err != nil || response.StatusCode != want || problem.Status != want ||
			response.Header.Get("Content-Type") != "application/problem+json" {
			t.Errorf("%d was answered %d %v %v: %v", want, response.StatusCode, response.Header, problem, err)
		}
		_ = response.Body.Close()
		if more, _ := io.ReadAll(from); len(more) > 0 {
			t.Errorf("%d was followed by %q", want, more)
		}
	}
}

// If every connection has a request in flight, a new one waits until one ends.
func TestNewConnectionWaits(t *testing.T) {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	entered, release := make(chan struct{}, 2), make(chan struct{})
	bound := &receive.Connections{Max: 1, HeaderBytes: 1 << 20, Label: "connections", Metrics: receive.NewMetrics(prometheus.NewRegistry())}
	server := receive.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { entered <- struct{}{}; <-release }), time.Second, slog.New(slog.DiscardHandler))
	server.ConnState = bound.Track
	go func() { _ = server.Serve(bound.Limit(inner)) }()
	t.Cleanup(func() { _ = server.Close() })
	_, first := connect(t, inner.Addr().String(), ask)
	<-entered
	_, second := connect(t, inner.Addr().String(), ask)
	release <- struct{}{}
	if status := ends(first); status != 200 {
		t.Errorf("the first was answered %d", status)
	}
	<-entered
	release <- struct{}{}
	if status := ends(second); status != 200 {
		t.Errorf("the second was answered %d", status)
	}
}
