package receive

import "github.com/prometheus/client_golang/prometheus"

// Metrics counts callbacks. Its labels are the configured sources and fixed words, so their number is bounded.
type Metrics struct {
	callbacks   *prometheus.CounterVec
	duration    *prometheus.HistogramVec
	quarantined *prometheus.CounterVec
	duplicates  *prometheus.CounterVec
	limitHits   *prometheus.CounterVec
}

// NewMetrics registers the metrics of callbacks.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "crm_bridge", Name: name, Help: help}, labels)
		reg.MustRegister(c)
		return c
	}
	m := &Metrics{
		callbacks:   counter("callbacks_total", "Callbacks answered, by what became of them.", "source", "outcome"),
		quarantined: counter("quarantined_total", "Authenticated callbacks that could not be parsed and are in quarantine.", "source"),
		duplicates:  counter("duplicates_total", "Events that the stream already held.", "source"),
		limitHits:   counter("limit_hits_total", "Requests refused, and unfinished requests or idle connections cut, because a limit was reached.", "limit"),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: "crm_bridge", Name: "callback_duration_seconds", Help: "From the first byte of a callback to its answer.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 2, 15),
		}, []string{"source"}),
	}
	reg.MustRegister(m.duration)
	return m
}
