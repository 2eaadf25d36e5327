package terminal

import (
	"io"
	"log/slog"
	"os"
	"sync"
	"time"

	"golang.org/x/term"
)

// NewLog returns the log, and what writes the lines that it still holds back.
func NewLog(to io.Writer, level slog.Level, format string) (log *slog.Logger, flush func()) {
	lines := &lineBuffer{to: to}
	options := &slog.HandlerOptions{Level: level, ReplaceAttr: func(_ []string, attr slog.Attr) slog.Attr {
		if attr.Value.Kind() == slog.KindAny {
			if err, ok := attr.Value.Any().(error); ok && err != nil {
				attr.Value = slog.StringValue(Plainly(err))
			}
		}
		return attr
	}}
	if format == "json" || format == "auto" && !IsTerminal(to) {
		return slog.New(slog.NewJSONHandler(lines, options)), lines.flush
	}
	return slog.New(slog.NewTextHandler(lines, options)), lines.flush
}

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

// IsTerminal reports whether a stream is a terminal.
func IsTerminal(stream any) bool {
	file, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}
