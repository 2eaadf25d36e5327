package publish

import (
	"sync"
	"time"
)

// Window bounds how many ids a stream has to compare with: the server keeps each id in memory for the length of the stream's duplicates
// window. An event beyond the bound is stored without its id, so that a repeat of it would be stored too. Set the exported fields once.
type Window struct {
	Most   int           // ids, counted since the start of this process; repeats count too
	Length time.Duration // of the stream's duplicates window

	mu     sync.Mutex
	held   int
	slices [windowSlices + 1]int // ids by when they were sent: the oldest slice goes when all in it have left the window
	newest int64                 // number of the newest slice, since 1970
}

const windowSlices = 64

// admit reports whether one more id fits, and counts it. The second result is how many there are then. A nil Window admits all.
func (w *Window) admit() (bool, int) {
	if w == nil {
		return true, 0
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	now := time.Now().UnixNano() / max(1, int64(w.Length)/windowSlices)
	for passed := min(now-w.newest, int64(len(w.slices))); passed > 0; passed-- {
		oldest := &w.slices[(now-passed+1)%int64(len(w.slices))]
		w.held -= *oldest
		*oldest = 0
	}
	w.newest = max(w.newest, now)
	if w.held >= w.Most {
		return false, w.held
	}
	w.slices[w.newest%int64(len(w.slices))]++
	w.held++
	return true, w.held
}
