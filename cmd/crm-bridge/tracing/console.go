package tracing

import (
	"context"
	"log/slog"

	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// console logs spans, one line each.
type console struct{ log *slog.Logger }

// ExportSpans implements exporter.
func (c *console) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	for _, span := range spans {
		attrs := []slog.Attr{
			slog.String("name", span.Name()), slog.String("kind", span.SpanKind().String()), slog.String("trace", span.SpanContext().TraceID().String()),
			slog.String("span", span.SpanContext().SpanID().String()),
		}
		if parent := span.Parent(); parent.IsValid() {
			attrs = append(attrs, slog.String("parent", parent.SpanID().String()))
		}
		attrs = append(attrs, slog.Float64("ms", float64(span.EndTime().Sub(span.StartTime()).Microseconds())/1000))
		for _, one := range span.Attributes() {
			attrs = append(attrs, slog.String(string(one.Key), one.Value.String()))
		}
		c.log.LogAttrs(ctx, slog.LevelInfo, "span", attrs...)
	}
	return nil
}
