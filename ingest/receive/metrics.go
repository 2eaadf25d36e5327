package receive

import (
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics counts callbacks. Its label values are the configured sources and fixed words.
type Metrics struct {
	callbacks   *prometheus.CounterVec
	duration    *prometheus.HistogramVec
	quarantined *prometheus.CounterVec
	duplicates  *prometheus.CounterVec
	limitHits   *prometheus.CounterVec
	probes      *prometheus.CounterVec
	last        *prometheus.GaugeVec

	mu      sync.Mutex
	sources map[string]*sourceMetrics // by label
}

// NewMetrics registers the metrics of callbacks.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		c := prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "crm_bridge", Name: name, Help: help}, labels)
		reg.MustRegister(c)
		return c
	}
	m := &Metrics{
		callbacks:   counter("callbacks_total", "Callbacks answered, by outcome.", "source", "outcome"),
		quarantined: counter("quarantined_total", "Authenticated callbacks, and parts of batches, that could not be parsed and are in quarantine.", "source"),
		duplicates:  counter("duplicates_total", "Events that the stream already held.", "source"),
		limitHits:   counter("limit_hits_total", "Requests refused, and unfinished requests or idle connections closed, because of a limit.", "limit"),
		probes:      counter("connect_probes_total", "Probes by which crm-bridge connect asks whether the bridge has the same secrets, by outcome.", "outcome"),
		duration: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Namespace: "crm_bridge", Name: "callback_duration_seconds", Help: "Time from a callback's first byte to its answer.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 2, 15),
		}, []string{"source"}),
		last: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Namespace: "crm_bridge", Name: "last_callback_timestamp_seconds", Help: "When the last callback came that was authenticated.",
		}, []string{"source"}),
		sources: map[string]*sourceMetrics{},
	}
	reg.MustRegister(m.duration, m.last)
	return m
}

// sourceMetrics are those of one source. Each appears with its first callback.
type sourceMetrics struct {
	source      string
	callbacks   *prometheus.CounterVec
	accepted    func() prometheus.Counter
	quarantined func() prometheus.Counter
	duration    func() prometheus.Observer
	last        func() prometheus.Gauge
	sight       sight
}

// of returns the metrics of a source.
func (m *Metrics) of(source string) *sourceMetrics {
	m.mu.Lock()
	defer m.mu.Unlock()
	if known := m.sources[source]; known != nil {
		return known
	}
	m.sources[source] = &sourceMetrics{
		source: source, callbacks: m.callbacks,
		accepted:    sync.OnceValue(func() prometheus.Counter { return m.callbacks.WithLabelValues(source, accepted) }),
		quarantined: sync.OnceValue(func() prometheus.Counter { return m.quarantined.WithLabelValues(source) }),
		duration:    sync.OnceValue(func() prometheus.Observer { return m.duration.WithLabelValues(source) }),
		last:        sync.OnceValue(func() prometheus.Gauge { return m.last.WithLabelValues(source) }),
	}
	return m.sources[source]
}

// count counts a callback, with what is in quarantine of it. Its duration has the id of its trace as exemplar, unless that is empty.
func (m *sourceMetrics) count(outcome string, took time.Duration, quarantined int, traceID string) {
	if outcome == accepted {
		m.accepted().Inc()
	} else {
		m.callbacks.WithLabelValues(m.source, outcome).Inc()
	}
	if with, ok := m.duration().(prometheus.ExemplarObserver); ok && traceID != "" {
		with.ObserveWithExemplar(took.Seconds(), prometheus.Labels{"trace_id": traceID})
	} else {
		m.duration().Observe(took.Seconds())
	}
	m.quarantined().Add(float64(quarantined))
}

// countProbe counts a probe.
func (m *Metrics) countProbe(outcome string) {
	m.probes.WithLabelValues(outcome).Inc()
	if outcome == ProbeLimited {
		m.limitHits.WithLabelValues("probes").Inc()
	}
}

// see remembers what came of a callback.
func (m *sourceMetrics) see(outcome string, status int, authenticated bool, at time.Time) {
	if last := m.sight.note(outcome, status, authenticated, at); authenticated {
		m.last().Set(float64(last.UnixMilli()) / 1000)
	}
}

// Seen returns what came of the callbacks of each source that is served, by label.
func (m *Metrics) Seen() (all []Seen) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, source := range slices.Sorted(maps.Keys(m.sources)) {
		all = append(all, m.sources[source].sight.seen(source))
	}
	return all
}
