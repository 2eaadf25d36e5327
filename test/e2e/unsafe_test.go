package e2e

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"

	"github.com/crm-bridge/crm-bridge/test/ports"
)

// Beside a remote NATS the bridge answers on its acknowledgement: 503 and not ready while it is away, 200 when it is
// back, and nothing that was answered with 503 appears later.
func TestDirect(t *testing.T) {
	t.Parallel()
	store := t.TempDir()
	remote := openRemote(t, store, -1)
	port := remote.Addr().String()
	b := start(t, t.TempDir(), documentedToken, "BRIDGE_NATS_URL="+remote.ClientURL(), "BRIDGE_DELIVERY=direct", "BRIDGE_ANSWER_TIMEOUT=1s")
	if a := post(t, b.Callbacks+path, documented); a.Status != 200 || a.Events[0].Sequence != 1 {
		t.Fatalf("answered %d %s", a.Status, a.Text)
	}
	waitFor(t, func() bool { return strings.Contains(b.Log(), "one replica") })
	remote.Shutdown()
	remote.WaitForShutdown()
	waitFor(t, func() bool {
		a := post(t, b.Callbacks+path, documented)
		return a.Status == 503 && a.Header.Get("Retry-After") != ""
	})
	waitFor(t, func() bool { status, _ := get(t, b.Admin+"/readyz"); return status == 503 })

	var number int
	if _, err := fmt.Sscanf(port[strings.LastIndex(port, ":"):], ":%d", &number); err != nil {
		t.Fatal(err)
	}
	openRemote(t, store, number)
	waitFor(t, func() bool { status, _ := get(t, b.Admin+"/readyz"); return status == 200 })
	a := post(t, b.Callbacks+path, documented)
	if a.Status != 200 || a.Events[0].Sequence != 2 {
		t.Errorf("answered %d %s: sequence 2 is the next, unless something that was refused was sent later", a.Status, a.Text)
	}
}

// freed waits until a port can be listened on again: meanwhile a connection of any process may have it at its own end, even one to the
// server that was there, which then is connected to itself.
func freed(t *testing.T, port int) {
	t.Helper()
	waitFor(t, func() bool {
		listener, err := (&net.ListenConfig{}).Listen(t.Context(), "tcp", net.JoinHostPort("127.0.0.1", strconv.Itoa(port)))
		if err != nil {
			return false
		}
		return listener.Close() == nil
	})
}

func openRemote(t *testing.T, store string, port int) *server.Server {
	t.Helper()
	return openRemoteWith(t, server.Options{Port: port, StoreDir: store})
}

// openRemoteWith is openRemote with further options.
func openRemoteWith(t *testing.T, options server.Options) *server.Server {
	t.Helper()
	options.Host, options.JetStream, options.NoSigs, options.NoLog = "127.0.0.1", true, true, true
	if options.Port > 0 {
		freed(t, options.Port)
	} else {
		var err error
		if options.Port, err = ports.Free(); err != nil { // it may be restarted
			t.Fatal(err)
		}
	}
	s, err := server.NewServer(&options)
	if err != nil {
		t.Fatal(err)
	}
	go s.Start()
	if !s.ReadyForConnections(10 * time.Second) {
		t.Fatal("the remote does not start")
	}
	t.Cleanup(s.Shutdown)
	return s
}

// When the disk takes nothing more the bridge is not ready.
func TestDiskThatTakesNothing(t *testing.T) {
	dir := t.TempDir()
	b := start(t, dir)
	if err := os.MkdirAll(filepath.Join(dir, "probe.new", "full"), 0o700); err != nil { // where the probe would write
		t.Fatal(err)
	}
	waitFor(t, func() bool {
		status, text := get(t, b.Admin+"/readyz")
		return status == 503 && strings.Contains(text, "nothing can be stored")
	})
}
