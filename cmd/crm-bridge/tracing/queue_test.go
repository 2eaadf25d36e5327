package tracing

import (
	"bytes"
	"context"
	"errors"
	"log/slog"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
)

// exporting is an exporter that does what the function does.
type exporting func(ctx context.Context, spans []sdktrace.ReadOnlySpan) error

func (e exporting) ExportSpans(ctx context.Context, spans []sdktrace.ReadOnlySpan) error {
	return e(ctx, spans)
}

// start starts a queue of four spans, and returns what ends n spans into it, and its log.
func start(to exporting) (q *queue, end func(n int), log *bytes.Buffer) {
	log = &bytes.Buffer{}
	ctx, stop := context.WithCancel(context.Background())
	q = &queue{
		exporter: to, waiting: make(chan sdktrace.ReadOnlySpan, 4), most: 2, delay: time.Second, timeout: time.Minute, metrics: NewMetrics(prometheus.NewRegistry()),
		log: slog.New(slog.NewTextHandler(log, nil)), closing: make(chan struct{}), done: make(chan struct{}), stop: stop,
	}
	go q.run(ctx)
	tracer := sdktrace.NewTracerProvider(sdktrace.WithSpanProcessor(q)).Tracer("")
	return q, func(n int) {
		for range n {
			_, span := tracer.Start(context.Background(), "span")
			span.End()
		}
	}, log
}

// Where a collector does not answer a span that ends never waits: what exceeds the queue is dropped and counted.
func TestFullQueueDropsSpans(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		q, end, _ := start(func(ctx context.Context, _ []sdktrace.ReadOnlySpan) error {
			<-ctx.Done()
			return ctx.Err()
		})
		end(2)
		synctest.Wait() // the first two are being exported
		began := time.Now()
		end(100)
		if took := time.Since(began); took != 0 {
			t.Errorf("ending spans took %s", took)
		}
		if dropped := testutil.ToFloat64(q.metrics.dropped); dropped != 96 {
			t.Errorf("%v were dropped", dropped)
		}
		ctx, cancel := context.WithTimeout(t.Context(), closeTimeout)
		defer cancel()
		_ = q.Shutdown(ctx)
		if took := time.Since(began); took != closeTimeout {
			t.Errorf("the end took %s", took)
		}
		if failed := testutil.ToFloat64(q.metrics.failed); failed != 6 {
			t.Errorf("%v were exported in vain", failed)
		}
	})
}

// A cause of failed exports is logged once in ten minutes, however often exports succeed between.
func TestACauseIsLoggedOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var failure error
		q, end, log := start(func(context.Context, []sdktrace.ReadOnlySpan) error { return failure })
		for range 20 {
			for _, failure = range []error{errors.New("one"), errors.New("two")} {
				end(2)
				synctest.Wait()
			}
		}
		if lines := strings.Count(log.String(), "level=WARN"); lines != 2 {
			t.Errorf("%d lines:\n%s", lines, log)
		}
		time.Sleep(failureEvery)
		end(2)
		synctest.Wait()
		if lines := strings.Count(log.String(), "error=two"); lines != 2 {
			t.Errorf("%d lines of the second cause:\n%s", lines, log)
		}
		failure = nil
		end(2)
		synctest.Wait()
		if !strings.Contains(log.String(), "traces are exported again") {
			t.Error(log)
		}
		_ = q.Shutdown(t.Context())
	})
}

// A span waits for its batch no longer than the delay, counted from the first of it.
func TestABatchIsExportedInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var at []time.Duration
		began := time.Now()
		q, end, _ := start(func(context.Context, []sdktrace.ReadOnlySpan) error {
			at = append(at, time.Since(began))
			return nil
		})
		time.Sleep(700 * time.Millisecond)
		end(1)
		time.Sleep(5 * time.Second)
		_ = q.Shutdown(t.Context())
		if len(at) != 1 || at[0] != 1700*time.Millisecond {
			t.Errorf("exported after %v", at)
		}
	})
}
