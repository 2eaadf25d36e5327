package embedded

import (
	"bytes"
	"fmt"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// Errors that clients can cause do not fill the log, and their text never counts as the server's own, which reports a broken store and
// so ends the bridge.
func TestErrorsThatClientsCause(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var out bytes.Buffer
		log := &serverLog{log: slog.New(slog.NewTextHandler(&out, nil)), broken: make(chan string, 1)}
		for i := range 1000 {
			log.Errorf("10.0.0.9:%d - cid:%d - authentication error - User %q", i, i, fmt.Sprint("Critical write error: ", i))
			log.Errorf(`10.0.0.9:5 - cid:7 - "v1:go:critical write error" - Publish Violation - Subject %q`, fmt.Sprint("crm.", i))
		}
		if n := strings.Count(out.String(), "\n"); n != 2 || len(log.broken) > 0 {
			t.Fatalf("%d lines, the store broke: %t:\n%s", n, len(log.broken) > 0, out.String())
		}
		time.Sleep(errorsEvery)
		log.Errorf("10.0.0.9:1 - cid:1 - authentication error - User %q", "x")
		if !strings.HasSuffix(out.String(), "count=1000\n") {
			t.Errorf("the number of those between is lost:\n%s", out.String())
		}
		for i := range 2 * errorKinds {
			log.Errorf("10.0.0.9:1 - cid:1 - %s", strings.Repeat("x", i+1))
		}
		if n := len(log.clients.kinds); n > errorKinds+1 {
			t.Errorf("%d kinds are kept", n)
		}
		log.Warnf("%s - %s", "10.0.0.9:1 - cid:1", "Producer was stalled for a total of 57ms")
		if strings.Contains(out.String(), "stalled") {
			t.Error("a stalled reader is logged")
		}
		log.Errorf("Filestore [%s] Critical write error: %v", "CRM", "no space left on device")
		if len(log.broken) != 1 {
			t.Error("a broken store is not reported")
		}
	})
}
