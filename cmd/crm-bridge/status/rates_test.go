package status_test

import (
	"context"
	"math"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/crm-bridge/crm-bridge/cmd/crm-bridge/status"
)

// Each minute has its own rates and latencies; an hour is remembered, and no more.
func TestRates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		registry := prometheus.NewRegistry()
		callbacks := prometheus.NewCounterVec(prometheus.CounterOpts{Name: "crm_bridge_callbacks_total"}, []string{"source", "outcome"})
		duration := prometheus.NewHistogramVec(prometheus.HistogramOpts{Name: "crm_bridge_callback_duration_seconds", Buckets: []float64{0.001, 0.002, 0.004}}, []string{"source"})
		registry.MustRegister(callbacks, duration)
		came := func(n int, outcome string, seconds float64) {
			for range n {
				callbacks.WithLabelValues("a", outcome).Inc()
				duration.WithLabelValues("a").Observe(seconds)
			}
		}
		came(1000, "accepted", 1) // before the first sample
		rates := &status.Rates{Metrics: registry}
		ctx, stop := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { rates.Run(ctx) })
		defer running.Wait()
		defer stop()
		synctest.Wait()
		came(120, "accepted", 0.0015)
		came(30, "forged", 0.0005)
		time.Sleep(time.Minute)
		synctest.Wait()
		last := rates.Last()
		if len(last) != 1 || last[0].Accepted != 2 || last[0].Rejected != 0.5 || last[0].P50 == nil {
			t.Fatalf("after a minute: %+v", last)
		}
		// 30 of 150 are below 1 ms, 120 between 1 and 2 ms: the 75th lies at 45/120 of that bucket.
		if p50, p99 := *last[0].P50, *last[0].P99; math.Abs(p50-0.001375) > 1e-9 || p99 <= p50 || p99 > 0.002 {
			t.Errorf("latencies are %f and %f", p50, p99)
		}
		came(1, "accepted", 7) // beyond the last bound
		time.Sleep(time.Minute)
		synctest.Wait()
		if last = rates.Last(); *last[1].P99 != 0.004 {
			t.Errorf("what is beyond the last bound is at %f", *last[1].P99)
		}
		time.Sleep(100 * time.Minute)
		synctest.Wait()
		if last = rates.Last(); len(last) != 60 || last[59].P50 != nil || last[59].Accepted != 0 {
			t.Errorf("%d minutes are remembered, the last is %+v", len(last), last[len(last)-1])
		}
	})
}
