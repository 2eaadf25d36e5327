package publish

import (
	"strings"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// maxSubjects bounds the label values of events_published_total; later modules are counted as "other".
const maxSubjects = 500

// Metrics counts published events.
type Metrics struct {
	events *prometheus.CounterVec

	mu   sync.Mutex
	seen map[string]prometheus.Counter // by subject
}

// NewMetrics registers the metrics of publishing.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		events: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "crm_bridge", Name: "events_published_total", Help: "Events that are safe in the stream.",
		}, []string{"provider", "module", "operation"}),
		seen: map[string]prometheus.Counter{},
	}
	reg.MustRegister(m.events)
	return m
}

// published counts an event by its subject, <prefix>.<provider>.<Module>.<operation>.
func (m *Metrics) published(subject string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	counter, ok := m.seen[subject]
	if !ok {
		tokens := append(strings.Split(subject, "."), "", "", "", "")
		labels := []string{tokens[1], tokens[2], tokens[3]}
		if len(m.seen) >= maxSubjects {
			m.events.WithLabelValues(labels[0], "other", "other").Inc()
			return
		}
		counter = m.events.WithLabelValues(labels...)
		m.seen[subject] = counter
	}
	counter.Inc()
}
