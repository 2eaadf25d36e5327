package terminal

import (
	"io"
	"sync"
	"time"
)

// The log is written when it holds logBytes, or logDelay after its first line: a write for each callback would wake
// the log's reader thousands of times a second.
const (
	logBytes = 32 << 10
	logDelay = 20 * time.Millisecond
)

// lineBuffer gathers lines for a moment.
type lineBuffer struct {
	to io.Writer

	mu    sync.Mutex
	lines []byte
	timer *time.Timer // runs while lines wait
}

// Write takes one line; it is written to the end within logDelay.
func (b *lineBuffer) Write(line []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.lines = append(b.lines, line...)
	switch {
	case len(b.lines) >= logBytes:
		b.write()
	case len(b.lines) > len(line): // the timer runs
	case b.timer == nil:
		b.timer = time.AfterFunc(logDelay, b.flush)
	default:
		b.timer.Reset(logDelay)
	}
	return len(line), nil
}

func (b *lineBuffer) flush() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.write()
}

// write writes what waits; a log that cannot be written has nowhere to say so.
func (b *lineBuffer) write() {
	if len(b.lines) > 0 {
		_, _ = b.to.Write(b.lines)
		b.lines = b.lines[:0]
	}
}
