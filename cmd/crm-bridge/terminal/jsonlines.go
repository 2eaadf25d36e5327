package terminal

import (
	"context"
	"log/slog"
	"math"
	"strconv"
	"time"
)

// jsonLines writes the lines whose texts are plain ASCII and whose other values are numbers and booleans, as that of every accepted
// callback, without an allocation, with the bytes of slog.JSONHandler. That handler writes all others.
type jsonLines struct {
	slog.Handler
	to *lineBuffer
}

// Handle implements slog.Handler.
func (h jsonLines) Handle(ctx context.Context, r slog.Record) error {
	var room [1 << 10]byte
	line, ok := room[:0], !r.Time.IsZero() && r.Time.Year() >= 0 && r.Time.Year() <= 9999 && isPlain(r.Message)
	if ok {
		line = r.Time.AppendFormat(append(line, `{"time":"`...), time.RFC3339Nano)
		line = append(append(line, `","level":"`...), r.Level.String()...)
		line = append(append(append(line, `","msg":"`...), r.Message...), '"')
		r.Attrs(func(attr slog.Attr) bool {
			if ok = attr.Key != "" && isPlain(attr.Key); ok {
				line = append(append(append(line, `,"`...), attr.Key...), `":`...)
				line, ok = appendPlain(line, attr.Value)
			}
			return ok
		})
	}
	if !ok {
		return h.Handler.Handle(ctx, r)
	}
	_, err := h.to.Write(append(line, "}\n"...))
	return err
}

// appendPlain appends a value as JSON; ok is false for one that takes more than copying it.
func appendPlain(to []byte, value slog.Value) (line []byte, ok bool) {
	switch value.Kind() {
	case slog.KindString:
		text := value.String()
		return append(append(append(to, '"'), text...), '"'), isPlain(text)
	case slog.KindInt64:
		return strconv.AppendInt(to, value.Int64(), 10), true
	case slog.KindUint64:
		return strconv.AppendUint(to, value.Uint64(), 10), true
	case slog.KindBool:
		return strconv.AppendBool(to, value.Bool()), true
	case slog.KindFloat64:
		n := value.Float64()
		size := math.Abs(n)
		return strconv.AppendFloat(to, n, 'f', -1, 64), n == 0 || size >= 1e-6 && size < 1e21
	}
	return to, false
}

// isPlain reports whether JSON writes a text as it is.
func isPlain(text string) bool {
	for i := range len(text) {
		if b := text[i]; b < ' ' || b > '~' || b == '"' || b == '\\' {
			return false
		}
	}
	return true
}
