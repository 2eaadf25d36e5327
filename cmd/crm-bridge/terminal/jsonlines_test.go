package terminal

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"math"
	"testing"
	"time"
)

// Every line of the log has the bytes that slog writes, whatever its texts and values are, and all lines keep their order.
func FuzzJSONLines(f *testing.F) {
	f.Add("callback accepted", "source", "zoho-notifications", int64(200), uint64(1<<63), 1.234, true, int64(1e18))
	f.Add("<a \"b\" \\ & Zoë\u2028\xff\x00>", "", "\n\t\x7f\b", int64(math.MinInt64), uint64(0), 1e-7, false, int64(-1))
	for _, special := range []string{`\`, `"`, "\x1f", "\x7f", "é", "\xff", "<"} {
		f.Add("x", "key", special, int64(1), uint64(1), 1.0, true, int64(1))
		f.Add(special, "key", "x", int64(1), uint64(1), 1.0, true, int64(1))
		f.Add("x", special, "x", int64(1), uint64(1), 1.0, true, int64(1))
	}
	f.Add("x", "key ", "=", int64(-1), uint64(7), 1e21, false, int64(0))
	f.Fuzz(func(t *testing.T, message, key, text string, whole int64, positive uint64, number float64, truth bool, nanos int64) {
		var got, want bytes.Buffer
		own, flush := NewLog(&got, slog.LevelInfo, "json")
		plain := slog.New(slog.NewJSONHandler(&want, nil))
		for _, attrs := range [][]slog.Attr{
			{slog.String(key, text), slog.Int64("n", whole), slog.Uint64("u", positive), slog.Float64("f", number), slog.Bool("b", truth)},
			{slog.String("a", "plain"), slog.Duration("d", time.Duration(nanos)), slog.Group("g", slog.String(key, text))},
			{slog.Any("list", []string{text})},
			{},
		} {
			for _, log := range []*slog.Logger{own, plain} {
				record := slog.NewRecord(time.Unix(0, nanos).UTC(), slog.LevelWarn+slog.Level(whole%3), message, 0)
				record.AddAttrs(attrs...)
				if err := log.Handler().Handle(context.Background(), record); err != nil {
					t.Fatal(err)
				}
			}
		}
		if flush(); got.String() != want.String() {
			t.Errorf("wrote\n%s\nnot\n%s", &got, &want)
		}
	})
}

// An error reads as a person should see it, also beside loggers with attributes of their own.
func TestLogOfErrors(t *testing.T) {
	var got bytes.Buffer
	log, flush := NewLog(&got, slog.LevelInfo, "json")
	log.With("a", 1).Info("failed", "error", errors.New("why"))
	log.Info("failed", "error", errors.New("why"))
	if flush(); bytes.Count(got.Bytes(), []byte(`"error":"why"`)) != 2 {
		t.Errorf("wrote %s", &got)
	}
}
