package ingest

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"
)

// The clock of a CRM is known to about a second from a response with a Date; a slow response does not reduce that, and a clock that is
// set is followed.
func TestClock(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var clock Clock
		answer := func(ahead, took time.Duration) {
			sent := time.Now()
			time.Sleep(took)
			clock.Observe(http.Header{"Date": {sent.Add(took / 2).Add(ahead).UTC().Format(http.TimeFormat)}}, sent, time.Now())
		}
		expect := func(ahead, most time.Duration) {
			t.Helper()
			wrong := (time.Until(clock.Now()) - ahead).Abs()
			if wrong > clock.Tolerance() || clock.Tolerance() > most {
				t.Errorf("wrong by %s, tolerance %s", wrong, clock.Tolerance())
			}
		}
		if clock.Known() || clock.Tolerance() != maxOffset {
			t.Error("known before any answer")
		}
		clock.Observe(http.Header{}, time.Now(), time.Now())
		if !clock.Known() || clock.Tolerance() != maxOffset {
			t.Error("a response without a Date shows an offset")
		}
		for _, ahead := range []time.Duration{0, 7 * time.Minute, -10*time.Hour + 321*time.Millisecond} {
			answer(ahead, 40*time.Millisecond)
			expect(ahead, 1100*time.Millisecond)
			answer(ahead+400*time.Millisecond, 20*time.Second)
			expect(ahead, 1100*time.Millisecond)
		}
	})
}
