package bridge

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
)

// unfinished posts a form of which the last byte never comes.
func unfinished(t *testing.T, b *Bridge, path string) net.Conn {
	t.Helper()
	conn, err := (&net.Dialer{}).DialContext(t.Context(), "tcp", Reachable(b.Admin))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.Close() })
	_, err = fmt.Fprintf(conn, "POST %s HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 8\r\n\r\ntoken=x", path)
	if err != nil {
		t.Fatal(err)
	}
	return conn
}

// answered reports whether a connection is answered soon, with a status.
func answered(conn net.Conn, status int) bool {
	_ = conn.SetReadDeadline(time.Now().Add(200 * time.Millisecond))
	line := make([]byte, 12)
	_, err := io.ReadFull(conn, line)
	return err == nil && strings.HasSuffix(string(line), fmt.Sprint(status))
}

// Posts of strangers that do not end take neither the slots of probes nor those of an operator who has signed in.
func TestUnfinishedPostsStarveNobody(t *testing.T) {
	t.Parallel()
	b, _ := runs(t, &ingest.CRM{Provider: "acme", Sources: []ingest.Source{batches{&atomic.Bool{}}}})
	o := signsIn(t, b)
	for _, path := range []string{"/console/sign-in", "/console/quarantine/drop"} {
		for range 40 {
			unfinished(t, b, path)
		}
	}
	until(t, "the slots to sign in are taken", 10*time.Second, func() bool {
		return answered(unfinished(t, b, "/console/sign-in"), http.StatusServiceUnavailable)
	})
	for _, path := range []string{"/healthz", "/readyz", "/metrics", "/", "/console/quarantine"} {
		o.get(path)
	}
	until(t, "they end, and the operator signs in by the token", 10*time.Second, func() bool {
		answer, err := o.http.PostForm(o.base+"/console/sign-in", url.Values{"token": {b.pages.Token}})
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = answer.Body.Close() }()
		return answer.StatusCode == http.StatusOK
	})
}

// The console answers under the address on which it is configured to listen: that is where status --open leads to.
func TestConsoleKnowsItsAddress(t *testing.T) {
	for address, want := range map[string][]string{
		"192.0.2.2:9090": {"192.0.2.2"}, "[2001:db8::2]:9090": {"2001:db8::2"}, "bridge.internal:9090": {"bridge.internal"},
		":9090": nil, "0.0.0.0:9090": nil, "[::]:9090": nil,
	} {
		if got := ownHost(address); fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("%s: %v", address, got)
		}
	}
	t.Parallel()
	b, _ := runs(t, &ingest.CRM{Provider: "acme", Sources: []ingest.Source{batches{&atomic.Bool{}}}})
	host, _, err := net.SplitHostPort(b.Admin.Addr().String())
	if err != nil || !strings.Contains(strings.Join(b.pages.Hosts, " "), host) {
		t.Errorf("%s is not among %v: %v", host, b.pages.Hosts, err)
	}
}
