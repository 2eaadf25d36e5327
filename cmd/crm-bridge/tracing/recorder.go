package tracing

import (
	"context"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	oteltrace "go.opentelemetry.io/otel/trace"

	"github.com/crm-bridge/crm-bridge/ingest/trace"
)

// recorder implements trace.Recorder.
type recorder struct{ tracer oteltrace.Tracer }

// recording implements trace.Recording.
type recording struct{ span oteltrace.Span }

var kinds = map[trace.Kind]oteltrace.SpanKind{
	trace.Internal: oteltrace.SpanKindInternal, trace.Server: oteltrace.SpanKindServer, trace.Client: oteltrace.SpanKindClient, trace.Producer: oteltrace.SpanKindProducer,
}

// traceParent is the member of a carrier of the W3C trace context.
const traceParent = "traceparent"

// Begin implements trace.Recorder.
func (r recorder) Begin(name string, kind trace.Kind, parent trace.Parent, at time.Time) trace.Recording {
	ctx := context.Background()
	if local, ok := parent.Local.(recording); ok {
		ctx = oteltrace.ContextWithSpan(ctx, local.span)
	} else if parent.Remote != "" { // its tracestate may hold anything, and is left out
		ctx = propagation.TraceContext{}.Extract(ctx, propagation.MapCarrier{traceParent: parent.Remote})
	}
	_, span := r.tracer.Start(ctx, name, oteltrace.WithSpanKind(kinds[kind]), oteltrace.WithTimestamp(at))
	return recording{span}
}

func (r recording) Sampled() bool { return r.span.SpanContext().IsSampled() }

func (r recording) TraceParent() string {
	carrier := propagation.MapCarrier{}
	propagation.TraceContext{}.Inject(oteltrace.ContextWithSpan(context.Background(), r.span), carrier)
	return carrier[traceParent]
}

func (r recording) Set(key, value string) { r.span.SetAttributes(attribute.String(key, value)) }

func (r recording) SetInt(key string, value int) { r.span.SetAttributes(attribute.Int(key, value)) }

func (r recording) Fail(reason string) { r.span.SetStatus(codes.Error, reason) }

func (r recording) End(at time.Time) { r.span.End(oteltrace.WithTimestamp(at)) }
