package embedded_test

import (
	"bufio"
	"fmt"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/crm-bridge/crm-bridge/publish/embedded"
	"github.com/crm-bridge/crm-bridge/test/publishtest"
)

// Readers get no more connections than they may have, and never keep the bridge out.
func TestManyConnections(t *testing.T) {
	t.Parallel()
	const most = 20
	server, conn := publishtest.Open(t, func(c *embedded.Config) { c.MaxReaders = most })
	publishEvents(t, conn, 1)
	early, _ := publishtest.Connect(t, server)
	let := 0
	for range 4 * most {
		if dial(t, server) {
			let++
		}
	}
	if let < most-1 || let > most+16 {
		t.Errorf("%d readers were accepted", let)
	}
	for range 20 {
		own, err := server.Connect()
		if err != nil {
			t.Fatalf("the bridge itself is kept out: %v", err)
		}
		own.Close()
	}
	if !early.IsConnected() {
		t.Error("the first reader was disconnected")
	}
}

// dial connects as a reader until the end of the test, and reports whether the server accepts it.
func dial(t *testing.T, server *embedded.Server) bool {
	t.Helper()
	conn, err := net.Dial("tcp", strings.TrimPrefix(server.ClientURL(), "nats://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	if _, err := fmt.Fprint(conn, "CONNECT {\"verbose\":false}\r\nPING\r\n"); err != nil {
		return false
	}
	_ = conn.SetReadDeadline(time.Now().Add(5 * time.Second))
	for lines := bufio.NewReader(conn); ; {
		switch line, err := lines.ReadString('\n'); {
		case err != nil || strings.HasPrefix(line, "-ERR"):
			return false
		case strings.HasPrefix(line, "PONG"):
			return true
		}
	}
}

// The subscriptions of a connection are limited.
func TestManySubscriptions(t *testing.T) {
	t.Parallel()
	server, _ := publishtest.Open(t, nil)
	failed := make(chan error, 1)
	nc, err := nats.Connect(server.ClientURL(), nats.ErrorHandler(func(_ *nats.Conn, _ *nats.Subscription, err error) {
		select {
		case failed <- err:
		default:
		}
	}))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	for i := range 2000 {
		if _, err := nc.Subscribe(fmt.Sprint("_INBOX.many.", i), func(*nats.Msg) {}); err != nil {
			break
		}
	}
	_ = nc.Flush() // the server may have closed the connection
	select {
	case err := <-failed:
		t.Log(err)
	case <-time.After(5 * time.Second):
		t.Error("a reader has 2,000 subscriptions on one connection")
	}
}
