package records

import (
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

// Metrics counts what becomes of records.
type Metrics struct {
	states *prometheus.CounterVec
	lefts  *prometheus.CounterVec
	reads  *prometheus.CounterVec
	fails  *prometheus.CounterVec
	lag    *prometheus.Desc
	paused *prometheus.Desc

	mu      sync.Mutex
	waiting map[string]func() (lag time.Duration, paused int)
}

// NewMetrics registers the metrics of records.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	counter := func(name, help string, labels ...string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: "crm_bridge", Name: name, Help: help}, labels)
	}
	m := &Metrics{
		waiting: map[string]func() (time.Duration, int){},
		states:  counter("records_states_total", "States of records that were stored.", "provider", "module"),
		lefts:   counter("records_left_out_total", "Records that are not kept: unreadable, refused, malformed or too large.", "provider", "module", "why"),
		reads:   counter("records_reads_total", "Calls to a CRM's API that read records by their ids, up to a hundred each.", "provider"),
		fails:   counter("records_failures_total", "Batches of records that could not be settled and are tried again.", "provider"),
		lag:     prometheus.NewDesc("crm_bridge_records_lag_seconds", "How long the oldest event has waited for its records; 0: none waits.", []string{"provider"}, nil),
	}
	m.paused = prometheus.NewDesc("crm_bridge_records_paused", "Modules, of all accounts, whose records wait until the CRM's API can be asked again.", []string{"provider"}, nil)
	reg.MustRegister(m.states, m.lefts, m.reads, m.fails, m)
	return m
}

// Watch has shown what waits of a provider: for how long, and how many modules until the CRM can be asked again.
func (m *Metrics) Watch(provider string, waiting func() (lag time.Duration, paused int)) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.waiting[provider] = waiting
}

// Describe implements prometheus.Collector.
func (m *Metrics) Describe(to chan<- *prometheus.Desc) { to <- m.lag; to <- m.paused }

// Collect implements prometheus.Collector.
func (m *Metrics) Collect(to chan<- prometheus.Metric) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for provider, waiting := range m.waiting {
		lag, paused := waiting()
		to <- prometheus.MustNewConstMetric(m.lag, prometheus.GaugeValue, lag.Seconds(), provider)
		to <- prometheus.MustNewConstMetric(m.paused, prometheus.GaugeValue, float64(paused), provider)
	}
}

func (m *Metrics) written(provider, module string) { m.states.WithLabelValues(provider, module).Inc() }

func (m *Metrics) left(provider, module, why string, n int) {
	m.lefts.WithLabelValues(provider, module, why).Add(float64(n))
}

func (m *Metrics) read(provider string)   { m.reads.WithLabelValues(provider).Inc() }
func (m *Metrics) failed(provider string) { m.fails.WithLabelValues(provider).Inc() }
