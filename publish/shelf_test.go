package publish_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/uuid"

	"github.com/crm-bridge/crm-bridge/publish"
	"github.com/crm-bridge/crm-bridge/test/publishtest"
)

// shelved opens a quarantine with n callbacks, whose ids it returns.
func shelved(t *testing.T, n int) (q *publish.Quarantine, ids []string) {
	t.Helper()
	_, conn := publishtest.Open(t, nil)
	q = &publish.Quarantine{
		Shelf: publish.Shelf{Stream: "CRM_QUARANTINE", Reach: func() (*publish.Conn, error) { return conn, nil }}, Conn: conn, Prefix: "crm",
	}
	for range n {
		id, err := uuid.NewV7()
		if err != nil {
			t.Fatal(err)
		}
		ids = append(ids, id.String())
		keep(t, q, id.String())
	}
	return q, ids
}

// A long shelf is read in few requests, in order, past what was dropped in between; also from a stream without direct get.
func TestShelfIsReadInPages(t *testing.T) {
	q, ids := shelved(t, 1500)
	var left []string
	for i, id := range ids {
		if i%100 != 7 {
			left = append(left, id)
		} else if err := q.Drop(t.Context(), publish.Kept{ID: id, Sequence: uint64(i + 1)}); err != nil {
			t.Fatal(err)
		}
	}
	before := q.Conn.NATS().Stats().OutMsgs
	if got := onShelf(t, q.Shelf); got != fmt.Sprint(left) {
		t.Errorf("%d bytes of ids, not those of %d", len(got), len(left))
	}
	if requests := q.Conn.NATS().Stats().OutMsgs - before; requests > 6 {
		t.Errorf("%d requests", requests)
	}
	stream, err := q.Conn.JetStream().Stream(t.Context(), "CRM_QUARANTINE")
	if err != nil {
		t.Fatal(err)
	}
	plain := stream.CachedInfo().Config
	plain.AllowDirect = false
	if _, err := q.Conn.JetStream().UpdateStream(t.Context(), plain); err != nil {
		t.Fatal(err)
	}
	if got := onShelf(t, q.Shelf); got != fmt.Sprint(left) {
		t.Error("without direct get they are others")
	}
	found(t, q, ids[1400], ids[0])
}

// A shelf can be read on from a place, past what was dropped there.
func TestShelfIsReadOn(t *testing.T) {
	q, ids := shelved(t, 5)
	if err := q.Drop(t.Context(), publish.Kept{ID: ids[2], Sequence: 3}); err != nil {
		t.Fatal(err)
	}
	for after, want := range map[uint64][]string{0: {ids[0], ids[1], ids[3], ids[4]}, 2: ids[3:], 3: ids[3:], 5: nil, 99: nil} {
		var got []string
		if err := q.After(t.Context(), after, func(kept publish.Kept) error { got = append(got, kept.ID); return nil }); err != nil {
			t.Fatal(err)
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("behind %d: %v, not %v", after, got, want)
		}
	}
}

// What is read to find one callback does not grow with those that wait before or after it.
func TestFindReadsFromWhenAnIDWasMade(t *testing.T) {
	q, ids := shelved(t, 1500)
	received := func(f func()) uint64 {
		before := q.Conn.NATS().Stats().InBytes
		f()
		return q.Conn.NATS().Stats().InBytes - before
	}
	whole := received(func() { onShelf(t, q.Shelf) })
	// A page of 64 each; a second one of 512 where a clock of coarse steps gave more callbacks than that one millisecond.
	if read := received(func() { found(t, q, ids[1495], ids[700], ids[0]) }); read >= whole {
		t.Errorf("%d bytes were read to find three of 1500 callbacks, %d to read all", read, whole)
	}
	for i := 0; i < len(ids); i += 31 {
		found(t, q, ids[i])
	}
	const old = "0198c1f0-0000-7000-8000-000000000000"
	keep(t, q, "an-id-that-tells-no-time", old)
	future := uuid.UUID{0x7f, 0xff, 0xff, 0xff, 0xff, 0xff, 0x70, 0, 0x80}.String()
	keep(t, q, future)
	found(t, q, "an-id-that-tells-no-time", old, future)
	for _, id := range []string{"another", strings.Replace(old, "0", "1", 1), strings.Replace(future, "7fff", "7ffe", 1)} {
		if _, ok, err := q.Find(t.Context(), id); ok || err != nil {
			t.Errorf("%s: %t %v", id, ok, err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, ok, err := q.Find(ctx, ids[3]); ok || err == nil {
		t.Errorf("after its context has ended: %t %v", ok, err)
	}
}

// A shelf that holds nothing yet, or nothing any more, is read like any other.
func TestEmptyShelf(t *testing.T) {
	q, _ := shelved(t, 0)
	empty := func() {
		t.Helper()
		_, ok, err := q.Find(t.Context(), "0198c1f0-0000-7000-8000-000000000000")
		if got := onShelf(t, q.Shelf); got != "[]" || ok || err != nil {
			t.Errorf("it holds %s; found %t, %v", got, ok, err)
		}
	}
	empty()
	keep(t, q, "one")
	if err := q.Drop(t.Context(), publish.Kept{ID: "one", Sequence: 1}); err != nil {
		t.Fatal(err)
	}
	empty()
}

// found checks that the shelf finds callbacks.
func found(t *testing.T, q *publish.Quarantine, ids ...string) {
	t.Helper()
	for _, id := range ids {
		kept, ok, err := q.Find(t.Context(), id)
		if err != nil || !ok || kept.ID != id || string(kept.Body) != "{}" || kept.Subject != "crm-quarantine.acme-notifications" || kept.At.IsZero() {
			t.Fatalf("%s: %+v %t %v", id, kept, ok, err)
		}
	}
}
