package receive

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// A callback has at least 99 % of the answer timeout and at most all of it, whoever it shares its deadline with, and those that begin
// close together share one.
func TestDeadlinesAreShared(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const timeout = 5 * time.Second
		d := &deadlines{timeout: timeout}
		different := map[context.Context]bool{}
		for range 1000 {
			now := time.Now()
			ctx := d.from(now)
			until, _ := ctx.Deadline()
			if left := until.Sub(now); left > timeout || left < timeout*99/100 {
				t.Fatalf("%s are left", left)
			}
			different[ctx] = true
			time.Sleep(time.Millisecond)
		}
		if len(different) > 20 {
			t.Errorf("%d deadlines in a second", len(different))
		}
		time.Sleep(timeout)
		for ctx := range different {
			if !errors.Is(ctx.Err(), context.DeadlineExceeded) {
				t.Errorf("it has not ended: %v", ctx.Err())
			}
		}
	})
}
