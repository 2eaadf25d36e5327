package tracing

import (
	"context"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// exporter sends spans away.
type exporter interface {
	ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error
}

// queue holds the spans that have ended until they are exported, in batches. Beyond its bound spans are dropped and counted, so that no
// callback waits for a collector. It implements sdktrace.SpanProcessor.
type queue struct {
	exporter exporter
	waiting  chan sdktrace.ReadOnlySpan
	most     int           // spans of a batch
	delay    time.Duration // that the first of a batch waits for more
	timeout  time.Duration // of an export
	metrics  *Metrics
	log      *slog.Logger

	close   sync.Once
	closed  atomic.Bool
	closing chan struct{}        // closed when nothing more comes
	done    chan struct{}        // closed when run has returned
	stop    func()               // ends the export in progress
	causes  map[string]time.Time // why exports failed, with when that was logged; only run uses it, as failing
	failing bool                 // the last export failed
}

// Metrics counts spans.
type Metrics struct{ exported, failed, dropped prometheus.Counter }

// NewMetrics registers the metrics of spans.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	spans := prometheus.NewCounterVec(prometheus.CounterOpts{
		Namespace: "crm_bridge", Name: "trace_spans_total", Help: "Spans of traces, by what became of them.",
	}, []string{"outcome"})
	reg.MustRegister(spans)
	return &Metrics{spans.WithLabelValues("exported"), spans.WithLabelValues("failed"), spans.WithLabelValues("dropped")}
}

// OnStart implements sdktrace.SpanProcessor.
func (q *queue) OnStart(context.Context, sdktrace.ReadWriteSpan) {}

// OnEnd implements sdktrace.SpanProcessor. It never waits.
func (q *queue) OnEnd(span sdktrace.ReadOnlySpan) {
	if q.closed.Load() || !span.SpanContext().IsSampled() {
		return
	}
	select {
	case q.waiting <- span:
	default:
		q.metrics.dropped.Inc()
	}
}

// ForceFlush implements sdktrace.SpanProcessor; nothing calls it.
func (q *queue) ForceFlush(context.Context) error { return nil }

// Shutdown implements sdktrace.SpanProcessor: it exports what waits until ctx ends.
func (q *queue) Shutdown(ctx context.Context) error {
	q.close.Do(func() {
		q.closed.Store(true)
		close(q.closing)
	})
	defer context.AfterFunc(ctx, q.stop)()
	<-q.done
	return nil
}

// run exports until Shutdown. ctx is that of all exports.
func (q *queue) run(ctx context.Context) {
	defer close(q.done)
	batch := make([]sdktrace.ReadOnlySpan, 0, q.most)
	due := time.NewTimer(q.delay)
	defer due.Stop()
	for {
		select {
		case span := <-q.waiting:
			if batch = append(batch, span); len(batch) == 1 {
				due.Reset(q.delay)
			}
			if len(batch) < q.most {
				continue
			}
		case <-due.C:
		case <-q.closing:
			q.last(ctx, batch)
			return
		}
		batch = q.export(ctx, batch)
	}
}

// last exports a batch and all that waits.
func (q *queue) last(ctx context.Context, batch []sdktrace.ReadOnlySpan) {
	for {
		select {
		case span := <-q.waiting:
			if batch = append(batch, span); len(batch) >= q.most {
				batch = q.export(ctx, batch)
			}
		default:
			q.export(ctx, batch)
			return
		}
	}
}

// export exports a batch, and returns it empty.
func (q *queue) export(ctx context.Context, batch []sdktrace.ReadOnlySpan) []sdktrace.ReadOnlySpan {
	if len(batch) == 0 {
		return batch
	}
	if ctx.Err() != nil { // the time of Shutdown is over
		q.metrics.failed.Add(float64(len(batch)))
		return batch[:0]
	}
	ctx, cancel := context.WithTimeout(ctx, q.timeout)
	defer cancel()
	err := q.exporter.ExportSpans(ctx, batch)
	count := q.metrics.exported
	if err != nil {
		count = q.metrics.failed
	}
	count.Add(float64(len(batch)))
	q.report(err, time.Now())
	clear(batch) // spans are not kept
	return batch[:0]
}

const (
	// failureEvery is how often a cause of failed exports is logged.
	failureEvery = 10 * time.Minute
	// maxCauses bounds the causes that are remembered; then all are forgotten.
	maxCauses = 16
)

// report logs a failure of an export, once per cause for a while, and that it is over.
func (q *queue) report(err error, now time.Time) {
	switch {
	case err == nil && q.failing:
		q.log.Info("traces are exported again")
	case err != nil:
		if now.Sub(q.causes[err.Error()]) < failureEvery {
			break
		}
		if q.causes == nil || len(q.causes) >= maxCauses {
			q.causes = map[string]time.Time{}
		}
		q.causes[err.Error()] = now
		q.log.Warn("traces are lost: their export failed", "error", err.Error())
	}
	q.failing = err != nil
}
