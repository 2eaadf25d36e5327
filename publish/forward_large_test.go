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

// Under load forwarded events leave the journal by whole files: those in the newest file are still there, and are not pending. A while later
// they have left too.
func TestForwardedEventsLeaveByFiles(t *testing.T) {
	remote := openRemote(t)
	e := openEdge(t, remote.server.ClientURL(), 1<<28)
	const all = 300
	for i := 1; i <= all; i++ {
		one := publishtest.Event(fmt.Sprint(i))
		one.Data = []byte(`"` + strings.Repeat("x", 100<<10) + `"`)
		if _, err := e.publisher.Publish(t.Context(), publish.Event{Event: one}); err != nil {
			t.Fatal(err)
		}
	}
	before := blocks(t, e.dir)
	run(t, e.forwarder)
	pending(t, e.forwarder, 0)
	held, err := e.conn.Streams(t.Context())
	if n := held["CRM_JOURNAL"]; err != nil || n == 0 || n >= all/2 {
		t.Errorf("the journal holds %d of %d forwarded events: %v", n, all, err)
	}
	if after := blocks(t, e.dir); after == 0 || after >= before/2 {
		t.Errorf("its files have %d bytes of %d", after, before)
	}
	remote.holdsJust(t, all)
	until(t, func() bool {
		held, err := e.conn.Streams(t.Context())
		return err == nil && held["CRM_JOURNAL"] == 0
	})
}

// A small journal is not full of events that are forwarded already.
func TestASmallJournalIsNotFullOfForwardedEvents(t *testing.T) {
	remote := openRemote(t)
	e := openEdge(t, remote.server.ClientURL(), 1<<20)
	run(t, e.forwarder)
	const all, at = 600, 50
	for i := 1; i <= all; i++ {
		one := publishtest.Event(fmt.Sprint(i))
		one.Data = []byte(`"` + strings.Repeat("x", 4<<10) + `"`)
		if _, err := e.publisher.Publish(t.Context(), publish.Event{Event: one}); err != nil {
			t.Fatalf("event %d: %v", i, err)
		}
		if i%at == 0 {
			pending(t, e.forwarder, 0)
		}
	}
	remote.holdsJust(t, all)
}
