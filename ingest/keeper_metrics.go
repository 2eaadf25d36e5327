package ingest

import "github.com/prometheus/client_golang/prometheus"

// KeeperMetrics tells when channels end, and counts what was read from the CRM.
type KeeperMetrics struct {
	expires *prometheus.GaugeVec
	read    *prometheus.CounterVec
}

// NewKeeperMetrics registers the metrics of a Keeper. Their labels are the configured channels and modules.
func NewKeeperMetrics(reg prometheus.Registerer) *KeeperMetrics {
	m := &KeeperMetrics{
		expires: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Namespace: "crm_bridge", Name: "channel_expiry_timestamp_seconds", Help: "When the CRM ends a channel, unless it is renewed; 0 where it is not alive.",
		}, []string{"provider", "channel"}),
		read: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "crm_bridge", Name: "backfill_records_total", Help: "Records read from the CRM's API and made safe.",
		}, []string{"provider", "module"}),
	}
	reg.MustRegister(m.expires, m.read)
	return m
}

func (m *KeeperMetrics) expiry(c Channel) {
	value := 0.0
	if c.State == "active" && !c.Expires.IsZero() {
		value = float64(c.Expires.Unix())
	}
	m.expires.WithLabelValues(c.Provider, c.ID).Set(value)
}

func (m *KeeperMetrics) records(changes []Change) {
	for _, change := range changes {
		m.read.WithLabelValues(change.Provider, change.Module).Inc()
	}
}
