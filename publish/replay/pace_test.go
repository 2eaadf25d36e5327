package replay

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

// Events go at even distances, and what was late is not made up for by a flood.
func TestPace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, began, idle := newPace(10), time.Now(), 0
		var at []time.Duration
		for i := range 6 {
			if i == 3 {
				time.Sleep(5 * time.Second)
			}
			if err := p.wait(t.Context(), func() { idle++ }); err != nil {
				t.Fatal(err)
			}
			at = append(at, time.Since(began))
		}
		const ms = time.Millisecond
		if diff := cmp.Diff([]time.Duration{0, 100 * ms, 200 * ms, 5200 * ms, 5300 * ms, 5400 * ms}, at); diff != "" || idle != 4 {
			t.Errorf("waited %d times: %s", idle, diff)
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if p.wait(ctx, func() {}) == nil {
			t.Error("it goes on after its end")
		}
	})
}
