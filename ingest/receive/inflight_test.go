package receive

import (
	"context"
	"errors"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/crm-bridge/crm-bridge/ingest"
)

func openInFlight(requests int, bytes int64) *inFlight {
	return &inFlight{maxRequests: requests, maxBytes: bytes, hit: func(string) {}, stop: func(http.ResponseWriter) {}, unfinished: map[*reservation]struct{}{}}
}

// enterBody enters a request of whose body some bytes have arrived.
func enterBody(t *testing.T, f *inFlight, authenticated bool, bytes int64) *reservation {
	t.Helper()
	s, err := f.enter(authenticated, 0, nil)
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

// The slowest unfinished body is cut: the stalled one, not the one that began first.
func TestSlowestIsCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := openInFlight(10, 99<<20+20*pace)
		steady := enterBody(t, f, false, 0)
		stalled := enterBody(t, f, false, 90<<20) // all at once, which gives no credit
		trickling := enterBody(t, f, false, 1)
		for range 20 {
			time.Sleep(time.Second)
			if err := errors.Join(steady.grow(pace), steady.progress(pace), trickling.progress(1)); err != nil {
				t.Fatal(err)
			}
		}
		late := enterBody(t, f, false, 0)
		if err := late.grow(20 << 20); err != nil || !stalled.wasCut || steady.wasCut || trickling.wasCut {
			t.Errorf("cut: stalled %t, steady %t, trickling %t: %v", stalled.wasCut, steady.wasCut, trickling.wasCut, err)
		}
		if err := late.grow(79 << 20); err != nil || !trickling.wasCut || steady.wasCut {
			t.Errorf("cut: trickling %t, steady %t: %v", trickling.wasCut, steady.wasCut, err)
		}
		if f.bytes != 99<<20+20*pace || f.requests != 2 {
			t.Errorf("%d bytes of %d requests are held", f.bytes, f.requests)
		}
		for _, s := range []*reservation{stalled, trickling, steady, late} {
			s.release()
		}
		if f.bytes != 0 || f.requests != 0 {
			t.Errorf("%d bytes of %d requests are still held", f.bytes, f.requests)
		}
	})
}

// Authenticated requests have priority: they are not cut for others, but others are for them. A finished body is never cut.
func TestAuthenticatedGoesFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := openInFlight(10, 1000)
		ours := enterBody(t, f, true, 400)
		done := enterBody(t, f, false, 200)
		if err := done.finish(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Second)
		theirs := enterBody(t, f, false, 400)
		late, err := f.enter(false, 0, nil)
		if err != nil {
			t.Fatal(err)
		}
		if err := late.grow(500); !errors.Is(err, errTooMuchHeld) || ours.wasCut || theirs.wasCut {
			t.Errorf("a stranger that found only what is authenticated got %v; cut: ours %t, theirs %t", err, ours.wasCut, theirs.wasCut)
		}
		late.release()
		if also := enterBody(t, f, true, 300); ours.wasCut || !theirs.wasCut || also.wasCut {
			t.Errorf("cut: ours %t, theirs %t", ours.wasCut, theirs.wasCut)
		}
		if newest := enterBody(t, f, true, 500); !ours.wasCut || newest.wasCut || done.wasCut {
			t.Errorf("cut: ours %t, done %t", ours.wasCut, done.wasCut)
		}
	})
}

// A short body is not cut for bytes, of which it holds hardly any, before a long one that is less behind; once it has stalled it is.
func TestShortBodyIsNotCutForBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := openInFlight(10, 10*light)
		short := enterBody(t, f, true, 100)
		time.Sleep(stalled - time.Second)
		long := enterBody(t, f, true, 9*light)
		if enterBody(t, f, true, 5*light); short.wasCut || !long.wasCut {
			t.Errorf("cut: short %t, long %t", short.wasCut, long.wasCut)
		}
		time.Sleep(time.Second)
		if enterBody(t, f, true, 5*light); !short.wasCut {
			t.Error("a short body that has stalled is not cut")
		}
	})
}

// A body that is the slowest itself is cut when it grows, and a new one is refused where nothing can be cut.
func TestNothingToCut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := openInFlight(2, 1000)
		slow := enterBody(t, f, false, 400)
		time.Sleep(time.Second)
		_ = enterBody(t, f, false, 400)
		if err := slow.grow(300); !errors.Is(err, errCut) {
			t.Errorf("the slowest got %v", err)
		}
		done := enterBody(t, f, false, 500)
		if err := done.finish(); err != nil {
			t.Fatal(err)
		}
		if _, err := f.enter(false, 0, nil); !errors.Is(err, errTooMany) {
			t.Errorf("one request too many got %v", err)
		}
		time.Sleep(2 * time.Second)
		if _, err := f.enter(false, 0, nil); err != nil {
			t.Errorf("it is not let in for one that has stalled: %v", err)
		}
	})
}

// A single callback may exceed the limit, which so never stops all work.
func TestAloneIsNeverRefused(t *testing.T) {
	f := openInFlight(2, 10)
	enterBody(t, f, false, 5000).release()
	l := &lane{maxBytes: 10}
	if err := l.begin(t.Context(), 5000, false); err != nil {
		t.Fatal(err)
	}
	l.end(5000)
}

// Unacknowledged messages stay counted for a minute, because NATS may hold them: a remote that hangs does not fill the memory, and
// ordinary callbacks are not blocked.
func TestUnacknowledgedStaysCounted(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := &capacity{small: &lane{maxBytes: 1 << 20}, large: &lane{maxBytes: 10 << 20}}
		begin := func(body int) error {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			held, err := c.begin(ctx, body, 1, true)
			held.end()
			return err
		}
		for range 5 {
			c.linger(512<<10, 2)
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

// Callbacks wait for memory: those authenticated early begin first, and one that waits too long is refused.
func TestWorkWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := &lane{maxBytes: 100}
		if err := l.begin(t.Context(), 80, false); err != nil {
			t.Fatal(err)
		}
		order := make(chan string, 3)
		for _, one := range []struct {
			name          string
			authenticated bool
		}{{"stranger", false}, {"ours", true}, {"also ours", true}} {
			go func() {
				if err := l.begin(t.Context(), 80, one.authenticated); err != nil {
					t.Error(err)
				}
				order <- one.name
				l.end(80)
			}()
			synctest.Wait()
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if err := l.begin(ctx, 80, false); !errors.Is(err, ingest.ErrRetry) {
			t.Errorf("what waited too long got %v", err)
		}
		l.end(80)
		for _, want := range []string{"ours", "also ours", "stranger"} {
			if got := <-order; got != want {
				t.Errorf("%s was begun in place of %s", got, want)
			}
		}
		if synctest.Wait(); l.bytes != 0 || len(l.waiting) != 0 {
			t.Errorf("%d bytes are taken, %d wait", l.bytes, len(l.waiting))
		}
	})
}
