package store

import (
	"context"
	"math"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// registerPending adds the journal's gauges; what cannot be asked is not a number.
func registerPending(registry prometheus.Registerer, pending func(ctx context.Context) (n uint64, oldest time.Time, err error)) {
	gauge := func(name, help string, value func(n uint64, oldest time.Time) float64) {
		registry.MustRegister(prometheus.NewGaugeFunc(prometheus.GaugeOpts{Namespace: "crm_bridge", Name: name, Help: help}, func() float64 {
			ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
			defer cancel()
			n, oldest, err := pending(ctx)
			if err != nil {
				return math.NaN()
			}
			return value(n, oldest)
		}))
	}
	gauge("journal_pending", "Messages in the journal that the remote NATS has not acknowledged.", func(n uint64, _ time.Time) float64 { return float64(n) })
	gauge("journal_oldest_seconds", "How long the oldest of them waits; 0 where there is none.", func(n uint64, oldest time.Time) float64 {
		if n == 0 || oldest.IsZero() {
			return 0
		}
		return max(0, time.Since(oldest).Seconds())
	})
}
