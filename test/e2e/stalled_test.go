package e2e

import (
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// Strangers whose bodies do not go on hold no more connections than leave room for a callback, which is answered meanwhile.
func TestStalledBodiesLeaveConnections(t *testing.T) {
	t.Parallel()
	b := start(t, t.TempDir(), documentedToken, "BRIDGE_MAX_CONNECTIONS=16")
	for range 24 {
		conn, err := net.Dial("tcp", strings.TrimPrefix(b.Callbacks, "http://"))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = conn.Close() }()
		if _, err := io.WriteString(conn, "POST "+path+" HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{"); err != nil {
			t.Fatal(err)
		}
	}
	began := time.Now()
	a := post(t, b.Callbacks+path, documented)
	if took := time.Since(began); a.Status != 200 || took > 6*time.Second {
		t.Errorf("answered %d after %s", a.Status, took)
	}
}
