package embedded_test

import (
	"fmt"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/crm-bridge/crm-bridge/publish/embedded"
	"github.com/crm-bridge/crm-bridge/test/publishtest"
)

// The bytes that wait in the server for each reader that has stopped reading are bounded, however much it requested, and the log names
// one that is cut.
func TestStoppedReaders(t *testing.T) {
	server, log := openLarge(t, 128<<20)
	before := heap()
	for i := range 6 {
		conn := connectRaw(t, server, fmt.Sprint("stopped", i), `"deliver_policy":"all"`)
		for range 20 {
			conn.ask(`{"batch":10000,"expires":30000000000}`)
			conn.ask(`{"batch":5,"expires":30000000000}`)
		}
	}
	most := uint64(0)
	for range 20 {
		time.Sleep(50 * time.Millisecond)
		most = max(most, heap())
	}
	if cost := int64(most) - int64(before); cost > 120<<20 {
		t.Errorf("six stopped readers cost %d MiB", cost>>20)
	}
	for _, name := range []string{"glutton", "another"} {
		conn := connectRaw(t, server, name, `"deliver_policy":"by_start_sequence","opt_start_seq":1001`)
		for range 60 { // each for one event, of a megabyte
			conn.ask(`{"batch":1,"expires":30000000000}`)
		}
	}
	for end := time.Now().Add(20 * time.Second); !strings.Contains(log.String(), "was cut"); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("no connection was cut")
		}
	}
	text := log.String()
	for _, first := range []string{"glutton", "another"} { // whichever was
		if strings.Contains(text, "app of "+first) && !strings.Contains(text, " consumers="+first+" ") {
			t.Errorf("the warning does not name the consumer %s: %s", first, text)
		}
	}
	if !strings.Contains(text, "app of glutton") && !strings.Contains(text, "app of another") {
		t.Errorf("no warning names the connection that was cut: %s", text)
	}
	if n := strings.Count(log.String(), "was cut"); n != 1 {
		t.Errorf("%d warnings", n)
	}
}

// A connection is not cut for what a client that requests at most 32 events can have outstanding, even if each has a megabyte and the
// client reads only when all of them wait for it.
func TestRequestedLargeEventsMayWait(t *testing.T) {
	const events = 32
	server, log := openLarge(t, 128<<20)
	_, js := publishtest.Connect(t, server)
	conn := connectRaw(t, server, "late", `"deliver_policy":"by_start_sequence","opt_start_seq":1001`)
	for range events { // requests for one event are not sliced: all come at once
		conn.ask(`{"batch":1,"expires":30000000000}`)
	}
	consumer, err := js.Consumer(t.Context(), "CRM", "late")
	if err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		info, err := consumer.Info(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if info.Delivered.Consumer == events {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("%d events were sent", info.Delivered.Consumer)
		}
	}
	if err := conn.SetReadDeadline(time.Now().Add(20 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if n, err := io.CopyN(io.Discard, conn, events<<20); err != nil {
		t.Errorf("the connection brought %d MiB: %v\n%s", n>>20, err, log)
	}
}

// The bytes that wait for all stopped readers together are bounded too: those with the most are cut.
func TestManyStoppedReaders(t *testing.T) {
	server, log := openLarge(t, 16<<20)
	conns := make([]rawConn, 12)
	for i := range conns {
		conns[i] = connectRaw(t, server, fmt.Sprint("stopped", i), `"deliver_policy":"by_start_sequence","opt_start_seq":1001`)
	}
	_, js := publishtest.Connect(t, server)
	for _, conn := range conns {
		for range 8 {
			conn.ask(`{"batch":1,"expires":30000000000}`)
		}
	}
	for end := time.Now().Add(20 * time.Second); !strings.Contains(log.String(), "too much waits for consumers"); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("nothing was cut: %s", log)
		}
	}
	if text := log.String(); !strings.Contains(text, " consumers=stopped") {
		t.Errorf("the warning does not name the consumer: %s", text)
	}
	if _, err := js.Stream(t.Context(), "CRM"); err != nil {
		t.Errorf("a reader that reads: %v", err)
	}
}

// heap returns how many bytes of memory are reachable.
func heap() uint64 {
	runtime.GC()
	runtime.GC() // what a pool holds survives the first
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return stats.HeapAlloc
}

// rawConn is a reader that reads nothing of what it requests.
type rawConn struct {
	net.Conn
	t    *testing.T
	name string
}

// connectRaw makes a consumer.
func connectRaw(t *testing.T, server *embedded.Server, name, config string) rawConn {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", strings.TrimPrefix(server.ClientURL(), "nats://"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	create := fmt.Sprintf(`{"stream_name":"CRM","config":{"name":%q,"ack_policy":"none",%s}}`, name, config)
	_, err = fmt.Fprintf(conn, "CONNECT {\"verbose\":false,\"headers\":true,\"no_responders\":true,\"name\":\"app of %s\"}\r\nSUB _INBOX.%s.> 1\r\nPUB $JS.API.CONSUMER.CREATE.CRM.%s _INBOX.%s.made %d\r\n%s\r\n",
		name, name, name, name, len(create), create)
	if err != nil {
		t.Fatal(err)
	}
	for text := ""; !strings.Contains(text, "consumer_create_response"); { // and then no more
		one := make([]byte, 1)
		if _, err := conn.Read(one); err != nil {
			t.Fatal(err)
		}
		text += string(one)
	}
	return rawConn{conn, t, name}
}

func (c rawConn) ask(request string) {
	if _, err := fmt.Fprintf(c, "PUB $JS.API.CONSUMER.MSG.NEXT.CRM.%s _INBOX.%s.more %d\r\n%s\r\n", c.name, c.name, len(request), request); err != nil {
		c.t.Logf("%s: %v", c.name, err) // it was cut
	}
}
