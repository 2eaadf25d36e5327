package embedded

import (
	"testing"
	"time"
)

// A slice after one that brought too many bytes is shortened in proportion to its speed; others keep their length.
func TestSlicesAreShortened(t *testing.T) {
	begun := time.Now()
	for name, c := range map[string]struct {
		before, brought int64
		length, want    time.Duration
	}{
		"nothing was sent":       {0, 0, slice, slice},
		"small events":           {1 << 30, 200 << 10, slice, slice},
		"twice as much":          {1 << 30, 2 * sliceBytes, slice, slice / 2},
		"no shorter than that":   {0, 1 << 30, slice, sliceLeast},
		"never longer":           {0, sliceBytes + 1, sliceLeast, sliceLeast},
		"a lengthened slice":     {0, 2 * sliceBytes, sliceMost, slice / 2},
		"as many bytes as meant": {0, sliceBytes, slice, slice},
	} {
		last := connQueue{batch: 500, sent: traffic{bytes: c.before}, begun: begun, over: begun.Add(slice)}
		if got := last.shortened(c.length, traffic{bytes: c.before + c.brought}); got != c.want {
			t.Errorf("%s: %s, not %s", name, got, c.want)
		}
	}
	if got := (connQueue{}).shortened(slice, traffic{bytes: 1 << 30}); got != slice {
		t.Errorf("the first slice of a connection: %s", got)
	}
}
