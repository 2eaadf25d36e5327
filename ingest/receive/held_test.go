package receive

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
)

func openHeld(requests int, bytes int64) *held {
	return &held{maxRequests: requests, maxBytes: bytes, hit: func(string) {}, unfinished: map[*share]struct{}{}}
}

// enterHeld enters a body that has sent some bytes.
func enterHeld(t *testing.T, h *held, authenticated bool, bytes int64) *share {
	t.Helper()
	s, err := h.enter(authenticated, func() {})
	if err == nil {
		err = s.grow(bytes)
	}
	if err == nil {
		err = s.progress(int(bytes))
	}
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// The slowest unfinished body is cut: the one that has stalled, not the one that began first.
func TestSlowestIsCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := openHeld(10, 99<<20+20*pace)
		steady := enterHeld(t, h, false, 0)
		stalled := enterHeld(t, h, false, 90<<20) // sent in a moment, and then nothing: it gets no credit for that
		trickling := enterHeld(t, h, false, 1)
		for range 20 {
			time.Sleep(time.Second)
			if err := errors.Join(steady.grow(pace), steady.progress(pace), trickling.progress(1)); err != nil {
				t.Fatal(err)
			}
		}
		late := enterHeld(t, h, false, 0)
		if err := late.grow(20 << 20); err != nil || !stalled.wasCut || steady.wasCut || trickling.wasCut {
			t.Errorf("cut: stalled %t, steady %t, trickling %t: %v", stalled.wasCut, steady.wasCut, trickling.wasCut, err)
		}
		if err := late.grow(79 << 20); err != nil || !trickling.wasCut || steady.wasCut {
			t.Errorf("cut: trickling %t, steady %t: %v", trickling.wasCut, steady.wasCut, err)
		}
		if h.bytes != 99<<20+20*pace || h.requests != 2 {
			t.Errorf("%d bytes of %d requests are held", h.bytes, h.requests)
		}
		for _, s := range []*share{stalled, trickling, steady, late} {
			s.leave()
		}
		if h.bytes != 0 || h.requests != 0 {
			t.Errorf("%d bytes of %d requests are still held", h.bytes, h.requests)
		}
	})
}

// What is authenticated goes first: it is not cut for a stranger, and a stranger is cut for it. A body that is finished is
// not cut for anything.
func TestAuthenticatedGoesFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := openHeld(10, 1000)
		ours := enterHeld(t, h, true, 400)
		done := enterHeld(t, h, false, 200)
		if err := done.finish(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		theirs := enterHeld(t, h, false, 400)
		late, err := h.enter(false, func() {})
		if err != nil {
			t.Fatal(err)
		}
		if err := late.grow(500); !errors.Is(err, errTooMuchHeld) || ours.wasCut || !theirs.wasCut {
			t.Errorf("a stranger that found only what is authenticated got %v; cut: ours %t, theirs %t", err, ours.wasCut, theirs.wasCut)
		}
		late.leave()
		theirs = enterHeld(t, h, false, 400)
		if also := enterHeld(t, h, true, 300); ours.wasCut || !theirs.wasCut || also.wasCut {
			t.Errorf("cut: ours %t, theirs %t", ours.wasCut, theirs.wasCut)
		}
		if newest := enterHeld(t, h, true, 500); !ours.wasCut || newest.wasCut || done.wasCut {
			t.Errorf("cut: ours %t, done %t", ours.wasCut, done.wasCut)
		}
	})
}

// A body that is the slowest itself is cut when it grows, and a new one is refused where nothing can be cut.
func TestNothingToCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := openHeld(2, 1000)
		slow := enterHeld(t, h, false, 400)
		time.Sleep(time.Second)
		_ = enterHeld(t, h, false, 400)
		if err := slow.grow(300); !errors.Is(err, errCut) {
			t.Errorf("the slowest got %v", err)
		}
		done := enterHeld(t, h, false, 500)
		if err := done.finish(); err != nil {
			t.Fatal(err)
		}
		if _, err := h.enter(false, func() {}); !errors.Is(err, errTooMany) {
			t.Errorf("one request too many got %v", err)
		}
		time.Sleep(2 * time.Second)
		if _, err := h.enter(false, func() {}); err != nil {
			t.Errorf("it is not let in for one that has stalled: %v", err)
		}
	})
}

// A callback that is alone may be as large as it likes: the bound never stops all work.
func TestAloneIsNeverRefused(t *testing.T) {
	h := openHeld(2, 10)
	enterHeld(t, h, false, 5000).leave()
	w := &work{maxBytes: 10}
	done, err := w.begin(t.Context(), 5000, false)
	if err != nil {
		t.Fatal(err)
	}
	done()
}

// What NATS does not acknowledge stays counted for a minute, for its client holds it: a remote that hangs does not fill the
// memory, and ordinary callbacks pass meanwhile.
func TestUnacknowledgedStaysCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := &room{small: &work{maxBytes: 1 << 20}, large: &work{maxBytes: 10 << 20}}
		begin := func(body int) error {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			done, err := r.begin(ctx, body, 1, true)
			if err == nil {
				done()
			}
			return err
		}
		for range 5 {
			r.linger(512<<10, 2)
		}
		if err := begin(1 << 20); !errors.Is(err, ingest.ErrRetry) {
			t.Errorf("a large one got %v", err)
		}
		if err := begin(1000); err != nil {
			t.Errorf("an ordinary one got %v", err)
		}
		time.Sleep(time.Minute)
		if err := begin(1 << 20); err != nil {
			t.Errorf("a minute later a large one got %v", err)
		}
	})
}

// Work waits for memory: what was authenticated early is begun first, and what waits too long is refused.
func TestWorkWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &work{maxBytes: 100}
		first, err := w.begin(t.Context(), 80, false)
		if err != nil {
			t.Fatal(err)
		}
		order := make(chan string, 3)
		for _, one := range []struct {
			name          string
			authenticated bool
		}{{"stranger", false}, {"ours", true}, {"also ours", true}} {
			go func() {
				done, err := w.begin(t.Context(), 80, one.authenticated)
				if err != nil {
					t.Error(err)
				}
				order <- one.name
				done()
			}()
			synctest.Wait()
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := w.begin(ctx, 80, false); !errors.Is(err, ingest.ErrRetry) {
			t.Errorf("what waited too long got %v", err)
		}
		first()
		for _, want := range []string{"ours", "also ours", "stranger"} {
			if got := <-order; got != want {
				t.Errorf("%s was begun in place of %s", got, want)
			}
		}
		if synctest.Wait(); w.bytes != 0 || len(w.waiting) != 0 {
			t.Errorf("%d bytes are taken, %d wait", w.bytes, len(w.waiting))
		}
	})
}
