package terminal

import (
	"io"
	"log/slog"
	"os"

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
		return slog.New(jsonLines{slog.NewJSONHandler(lines, options), lines}), lines.flush
	}
	return slog.New(slog.NewTextHandler(lines, options)), lines.flush
}

// IsTerminal reports whether a stream is a terminal.
func IsTerminal(stream any) bool {
	file, ok := stream.(*os.File)
	return ok && term.IsTerminal(int(file.Fd()))
}
