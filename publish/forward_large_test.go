package publish_test

import (
	"fmt"
	"log/slog"
	"strings"
	"testing"

	"github.com/crm-bridge/crm-bridge/publish"
	"github.com/crm-bridge/crm-bridge/test/publishtest"
)

// Events that are larger than what a request for messages asks for are forwarded in their turn, from a backlog and as they come,
// without a retry.
func TestForwardLarge(t *testing.T) {
	remote := openRemote(t)
	remote.stop()
	remote.options.MaxPayload = 8 << 20
	remote.start(t)
	e := openEdge(t, remote.server.ClientURL(), 1<<29)
	var log strings.Builder
	e.forwarder.Log = slog.New(slog.NewTextHandler(&log, nil))
	put := func(first, last int) {
		for i := first; i <= last; i++ {
			one := publishtest.Event(fmt.Sprint(i))
			if i%10 == 3 || i%10 == 4 {
				one.Data = []byte(`"` + strings.Repeat("x", 5<<20) + `"`)
			}
			if _, err := e.publisher.Publish(t.Context(), publish.Event{Event: one}); err != nil {
				t.Fatal(err)
			}
		}
	}
	put(1, 30)
	stop := run(t, e.forwarder)
	pending(t, e.forwarder, 0)
	put(31, 60)
	pending(t, e.forwarder, 0)
	remote.holdsJust(t, 60)
	if stop(); log.Len() > 0 {
		t.Errorf("forwarding was interrupted: %s", log.String())
	}
}
