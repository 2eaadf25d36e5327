package publish

import (
	"testing"
	"testing/synctest"
	"time"
)

// As many ids are admitted as the bound says, until the first of them have left the window; a pause of any length makes room for all.
func TestWindowIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := &Window{Most: 100, Length: time.Minute}
		admitted := func(n int) (count int) {
			for range n {
				if ok, held := w.admit(); ok {
					count++
				} else if held != w.Most {
					t.Errorf("%d are held", held)
				}
			}
			return count
		}
		for _, step := range []struct {
			pause      time.Duration
			sent, want int
		}{
			{0, 60, 60},
			{30 * time.Second, 60, 40},
			{29 * time.Second, 10, 0},
			{3 * time.Second, 100, 60}, // the first have left
			{30 * time.Second, 100, 40},
			{10 * time.Hour, 200, 100},
		} {
			time.Sleep(step.pause)
			if got := admitted(step.sent); got != step.want {
				t.Errorf("after %s: %d of %d admitted, not %d", step.pause, got, step.sent, step.want)
			}
		}
	})
	var none *Window
	if ok, _ := none.admit(); !ok {
		t.Error("without a bound one is not admitted")
	}
}
