package publish_test

import (
	"context"
	"errors"
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/crm-bridge/crm-bridge/publish"
	"github.com/crm-bridge/crm-bridge/test/publishtest"
)

// besides has e's forwarder ensure a stream of quarantined callbacks too, unless unusable says why it cannot.
func besides(e *edge, unusable *atomic.Pointer[error]) *publish.Quarantine {
	ensure := e.forwarder.Ensure
	e.forwarder.Ensure = func(ctx context.Context, conn *publish.Conn) (map[string]publish.Stream, error) {
		streams, err := ensure(ctx, conn)
		if err != nil {
			return nil, err
		}
		quarantine := publish.Stream{Name: "CRM_QUARANTINE"}
		if reason := unusable.Load(); reason != nil {
			quarantine.Unusable = *reason
		} else if quarantine, _, err = conn.EnsureStream(ctx, publishtest.Stream("CRM_QUARANTINE", "crm-quarantine.>")); err != nil {
			return nil, err
		}
		quarantine.Beside = true
		streams[quarantine.Name] = quarantine
		return streams, nil
	}
	return &publish.Quarantine{
		Shelf: publish.Shelf{Stream: "CRM_QUARANTINE", Reach: e.forwarder.Reach}, Conn: e.conn, Journal: "CRM_JOURNAL", Prefix: "crm",
	}
}

// keep quarantines callbacks with these ids.
func keep(t *testing.T, q *publish.Quarantine, ids ...string) {
	t.Helper()
	for _, id := range ids {
		if err := q.Keep(t.Context(), "acme-notifications", id, []byte("{}")); err != nil {
			t.Fatal(err)
		}
	}
}

// onShelf returns the ids of the messages on a shelf.
func onShelf(t *testing.T, shelf publish.Shelf) string {
	t.Helper()
	ids := []string{}
	err := shelf.Each(t.Context(), func(kept publish.Kept) error {
		ids = append(ids, kept.ID)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprint(ids)
}

// A stream of quarantined callbacks that is deleted at the remote is made again: nothing of it is rejected, and nothing
// is set aside.
func TestDeletedQuarantineIsMadeAgain(t *testing.T) {
	remote := openRemote(t)
	e := openEdge(t, remote.server.ClientURL(), 1<<26)
	q := besides(e, &atomic.Pointer[error]{})
	registry := prometheus.NewRegistry()
	e.forwarder.Metrics = publish.NewMetrics(registry)
	run(t, e.forwarder)
	keep(t, q, "first")
	pending(t, e.forwarder, 0)
	if err := remote.js(t).DeleteStream(t.Context(), "CRM_QUARANTINE"); err != nil {
		t.Fatal(err)
	}
	keep(t, q, "second", "third")
	e.publish(t, 1, 3)
	pending(t, e.forwarder, 0)
	if got := onShelf(t, q.Shelf); got != "[second third]" {
		t.Errorf("in quarantine are %s", got)
	}
	if got := onShelf(t, e.refused.Shelf); got != "[]" || counter(t, registry, "crm_bridge_refused_total") != 0 {
		t.Errorf("set aside are %s", got)
	}
	remote.holdsJust(t, 3)
}

// While the remote cannot have a stream of quarantined callbacks they are set aside, and events are not blocked. Once it has one they
// are forwarded; they do not count as rejected.
func TestSetAsideComesBack(t *testing.T) {
	remote := openRemote(t)
	e := openEdge(t, remote.server.ClientURL(), 1<<26)
	reason, unusable := errors.New("insufficient storage"), &atomic.Pointer[error]{}
	unusable.Store(&reason)
	q := besides(e, unusable)
	registry := prometheus.NewRegistry()
	e.forwarder.Metrics = publish.NewMetrics(registry)
	stop := run(t, e.forwarder)
	keep(t, q, "first", "second")
	e.publish(t, 1, 3)
	pending(t, e.forwarder, 0)
	remote.holdsJust(t, 3)
	if got := onShelf(t, e.refused.Shelf); got != "[first second]" || counter(t, registry, "crm_bridge_refused_total") != 0 {
		t.Errorf("set aside are %s", got)
	}
	unusable.Store(nil)
	stop()
	e.forwarder = e.newForwarder(remote.server.ClientURL(), publishtest.Metrics()) // as a new connection would
	q = besides(e, unusable)
	run(t, e.forwarder)
	until(t, func() bool { return onShelf(t, e.refused.Shelf) == "[]" })
	pending(t, e.forwarder, 0)
	if got := onShelf(t, q.Shelf); got != "[first second]" {
		t.Errorf("in quarantine are %s", got)
	}
}

// A journal is done when the remote has all its messages, even while they are still in it.
func TestDone(t *testing.T) {
	remote := openRemote(t)
	e := openEdge(t, remote.server.ClientURL(), 1<<26)
	if !e.forwarder.Done(t.Context()) {
		t.Error("an empty journal is not done")
	}
	e.publish(t, 1, 5)
	if e.forwarder.Done(t.Context()) {
		t.Error("a journal that was not forwarded is done")
	}
	run(t, e.forwarder)
	until(t, func() bool { return e.forwarder.Done(t.Context()) })
	remote.holdsJust(t, 5)
}
