package receive_test

import (
	"errors"
	"log/slog"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/crm-bridge/crm-bridge/ingest/receive"
)

// Whoever was accepted before a server stops gets an answer: one whose request comes after the listener is closed, and one that waits for
// room until another one ends. Their callbacks would be lost, since most CRMs send once.
func TestWhoWasAcceptedIsAnswered(t *testing.T) {
	for name, most := range map[string]int{"its request comes late": 2, "it waits for room": 1} {
		t.Run(name, func(t *testing.T) {
			inner, err := net.Listen("tcp", "127.0.0.1:0")
			if err != nil {
				t.Fatal(err)
			}
			bound := &receive.Connections{Max: most, HeaderBytes: 1 << 20, Label: "connections", Metrics: receive.NewMetrics(prometheus.NewRegistry())}
			begun, release := make(chan struct{}, 2), make(chan struct{})
			server := receive.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
				begun <- struct{}{}
				<-release
				w.Header().Set("Connection", "close")
			}), time.Second, slog.New(slog.DiscardHandler))
			server.ConnState = bound.Track
			accepted := make(accepts, 2)
			listener, served, settled := bound.Limit(noting{inner, accepted}), make(chan error, 1), make(chan struct{})
			go func() { served <- server.Serve(listener) }()
			_, first := connect(t, inner.Addr().String(), ask)
			<-begun
			late, second := connect(t, inner.Addr().String(), "")
			<-accepted
			<-accepted
			if err := listener.Close(); err != nil {
				t.Fatal(err)
			}
			if most > 1 { // else Serve still has the second one
				if err := <-served; !errors.Is(err, net.ErrClosed) {
					t.Error(err)
				}
			}
			go func() {
				defer close(settled)
				if most == 1 {
					<-served
				}
				bound.Settle(t.Context())
			}()
			if _, err := late.Write([]byte(ask)); err != nil {
				t.Fatal(err)
			}
			close(release)
			if one, other := ends(first), ends(second); one != http.StatusOK || other != http.StatusOK {
				t.Errorf("answered %d and %d", one, other)
			}
			<-settled
			if err := server.Shutdown(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
}

// accepts has an entry for each connection that a listener has accepted.
type accepts chan struct{}

type noting struct {
	net.Listener
	accepted accepts
}

func (n noting) Accept() (net.Conn, error) {
	conn, err := n.Listener.Accept()
	if err == nil {
		n.accepted <- struct{}{}
	}
	return conn, err
}

// A connection that sends nothing does not keep a server from stopping, nor does one that is idle after its answer.
func TestSilentConnectionsSettle(t *testing.T) {
	inner, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	bound := &receive.Connections{Max: 2, HeaderBytes: 1 << 20, Label: "connections", Metrics: receive.NewMetrics(prometheus.NewRegistry())}
	server := receive.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}), time.Second, slog.New(slog.DiscardHandler))
	server.ConnState = bound.Track
	accepted := make(accepts, 2)
	listener, served := bound.Limit(noting{inner, accepted}), make(chan error, 1)
	go func() { served <- server.Serve(listener) }()
	connect(t, inner.Addr().String(), "")
	if _, from := connect(t, inner.Addr().String(), ask); ends(from) != http.StatusOK {
		t.Fatal("not answered")
	}
	<-accepted
	<-accepted
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	<-served
	began := time.Now()
	if bound.Settle(t.Context()); time.Since(began) > 4*time.Second {
		t.Errorf("settled after %s", time.Since(began))
	}
	_ = server.Close()
}
