package main

import (
	"context"
	"os"

	"github.com/nats-io/nats.go/jetstream"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	"go.opentelemetry.io/otel/propagation"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"go.opentelemetry.io/otel/trace/noop"
)

// openTracer returns what begins spans, and what exports the last of them: to OTEL_EXPORTER_OTLP_ENDPOINT, or nowhere without it.
func openTracer(ctx context.Context) (tracer trace.Tracer, end func(), err error) {
	if os.Getenv("OTEL_EXPORTER_OTLP_ENDPOINT") == "" {
		return noop.NewTracerProvider().Tracer(durable), func() {}, nil
	}
	exporter, err := otlptracehttp.New(ctx)
	if err != nil {
		return nil, nil, err
	}
	provider := sdktrace.NewTracerProvider(sdktrace.WithBatcher(exporter))
	return provider.Tracer(durable), func() { _ = provider.Shutdown(context.WithoutCancel(ctx)) }, nil
}

// continueTrace begins the span of a message, below the bridge's span that published it.
func continueTrace(ctx context.Context, tracer trace.Tracer, msg jetstream.Msg) trace.Span {
	// nats.Header does not change the case of names, as an HTTP header's carrier would.
	carrier := propagation.MapCarrier{"traceparent": msg.Headers().Get("traceparent")}
	_, span := tracer.Start(propagation.TraceContext{}.Extract(ctx, carrier), "process "+stream, trace.WithSpanKind(trace.SpanKindConsumer),
		trace.WithAttributes(attribute.String("messaging.system", "nats"), attribute.String("messaging.operation.type", "process"), attribute.String("messaging.destination.name", msg.Subject())))
	return span
}
