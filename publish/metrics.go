package publish

import (
	"strings"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
)

// maxSubjects bounds the label values of events_published_total; later modules are counted as "other".
const maxSubjects = 500

// Metrics counts published events, callbacks per sync, and messages that a remote refused.
type Metrics struct {
	events *prometheus.CounterVec
	batch  prometheus.Histogram

	refused prometheus.Counter

	mu   sync.Mutex
	seen map[string]prometheus.Counter // by subject
}

// NewMetrics registers the metrics of publishing.
func NewMetrics(reg prometheus.Registerer) *Metrics {
	m := &Metrics{
		events: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "crm_bridge", Name: "events_published_total", Help: "Events stored in the stream.",
		}, []string{"provider", "module", "operation"}),
		batch: prometheus.NewHistogram(prometheus.HistogramOpts{
			Namespace: "crm_bridge", Name: "publish_batch_size", Help: "Callbacks whose events were written to disk by one sync.",
			Buckets: prometheus.ExponentialBuckets(1, 2, 12),
		}),
		refused: prometheus.NewCounter(prometheus.CounterOpts{
			Namespace: "crm_bridge", Name: "refused_total", Help: "Messages that the remote NATS rejected permanently, kept in the local <STREAM>_REFUSED.",
		}),
		seen: map[string]prometheus.Counter{},
	}
	reg.MustRegister(m.events, m.batch, m.refused)
	return m
}

// synced counts the callbacks whose events one sync brings to disk.
func (m *Metrics) synced(callers int) { m.batch.Observe(float64(callers)) }

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
