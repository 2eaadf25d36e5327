// Package tracing exports the spans of ingest/trace by OpenTelemetry, as its standard variables say. OpenTelemetry is seen here alone.
package tracing

import (
	"context"
	"log/slog"
	"strings"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace"
	"go.opentelemetry.io/otel/sdk/resource"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/config"
	"github.com/crm-bridge/crm-bridge/ingest/trace"
)

// Traces are the spans of this process on their way to where they are exported. nil: nothing is traced.
type Traces struct {
	recorder recorder
	queue    *queue
	provider *sdktrace.TracerProvider
}

// closeTimeout is how long Close waits for the export of the last spans.
const closeTimeout = 3 * time.Second

// Open begins to export spans as the variables say; nil: they say that nothing is traced. Close it after use.
func Open(settings config.Traces, reg prometheus.Registerer, log *slog.Logger) (*Traces, error) {
	kind := settings.Exporter()
	if kind == "" {
		return nil, nil
	}
	if settings.Problem != nil {
		return nil, settings.Problem
	}
	if len(settings.Unused) > 0 {
		log.Warn("variables of OpenTelemetry have no effect", "variables", strings.Join(settings.Unused, " "))
	}
	var to exporter = &console{log}
	if kind == config.OTLPExporter {
		sender, err := newUploader(settings.OTLP())
		if err != nil {
			return nil, err
		}
		to = otlptrace.NewUnstarted(sender)
		log.Info("traces are exported", "to", sender.shown(), "sampler", settings.TracesSampler)
	}
	ctx, stop := context.WithCancel(context.Background())
	q := &queue{
		exporter: to, waiting: make(chan sdktrace.ReadOnlySpan, int(settings.BSPMaxQueueSize)), most: int(settings.BSPMaxExportBatchSize),
		delay: time.Duration(settings.BSPScheduleDelay), timeout: time.Duration(settings.BSPExportTimeout), metrics: NewMetrics(reg), log: log,
		closing: make(chan struct{}), done: make(chan struct{}), stop: stop,
	}
	go q.run(ctx)
	provider := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(q), sdktrace.WithSampler(sampler(settings)), sdktrace.WithResource(resourceOf(settings)))
	return &Traces{recorder{provider.Tracer("github.com/crm-bridge/crm-bridge")}, q, provider}, nil
}

// Recorder returns what begins spans; nil: nothing is traced.
func (t *Traces) Recorder() trace.Recorder {
	if t == nil {
		return nil
	}
	return t.recorder
}

// Close exports the spans that have ended, as far as that is possible within three seconds.
func (t *Traces) Close() {
	if t == nil {
		return
	}
	ctx, cancel := context.WithTimeout(context.Background(), closeTimeout)
	defer cancel()
	_ = t.provider.Shutdown(ctx)
}

// sampler returns what decides which traces are exported.
func sampler(settings config.Traces) sdktrace.Sampler {
	name, byParent := strings.CutPrefix(settings.TracesSampler, "parentbased_")
	root := sdktrace.AlwaysSample()
	switch name {
	case "always_off":
		root = sdktrace.NeverSample()
	case "traceidratio":
		root = sdktrace.TraceIDRatioBased(settings.Ratio())
	}
	if byParent {
		return sdktrace.ParentBased(root)
	}
	return root
}

// resourceOf returns the attributes of all traces. OTEL_SERVICE_NAME goes before a service.name among OTEL_RESOURCE_ATTRIBUTES.
func resourceOf(settings config.Traces) *resource.Resource {
	attributes := []attribute.KeyValue{
		attribute.String("service.version", config.Release),
		attribute.String("telemetry.sdk.name", "opentelemetry"), attribute.String("telemetry.sdk.language", "go"),
	}
	named := settings.ServiceName
	pairs, _ := config.Pairs(settings.ResourceAttributes) // they were checked
	for _, pair := range pairs {
		if pair[0] == "service.name" && named == defaultName {
			named = pair[1]
		}
		attributes = append(attributes, attribute.String(pair[0], pair[1]))
	}
	return resource.NewSchemaless(append(attributes, attribute.String("service.name", named))...)
}

// defaultName is service.name where no variable says one.
const defaultName = "crm-bridge"
