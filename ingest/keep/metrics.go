package keep

import (
	"math"
	"slices"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/crm-bridge/crm-bridge/ingest"
)

// KeeperMetrics shows when channels expire and which gaps are open, and counts gaps that were closed and records that were read from the CRM.
type KeeperMetrics struct {
	expires *prometheus.GaugeVec
	read    *prometheus.CounterVec
	gaps    *prometheus.CounterVec
	*openGaps
}

// NewKeeperMetrics registers the metrics of a Keeper. Their labels are the configured accounts, channels and modules.
func NewKeeperMetrics(reg prometheus.Registerer) *KeeperMetrics {
	m := &KeeperMetrics{
		expires: prometheus.NewGaugeVec(prometheus.GaugeOpts{
			Namespace: "crm_bridge", Name: "channel_expiry_timestamp_seconds", Help: "When the CRM ends a channel, unless it is renewed; 0 where it is not alive, +Inf where it never ends.",
		}, []string{"provider", "account", "channel"}),
		read: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "crm_bridge", Name: "backfill_records_total", Help: "Records read from the CRM's API and stored as events.",
		}, []string{"provider", "account", "module"}),
		gaps: prometheus.NewCounterVec(prometheus.CounterOpts{
			Namespace: "crm_bridge", Name: "gaps_closed_total", Help: "Gaps that were read from the CRM, or that nothing can read from it.",
		}, []string{"provider", "result"}),
		openGaps: newOpenGaps(),
	}
	reg.MustRegister(m.expires, m.read, m.gaps, m)
	return m
}

// expiry shows when channels expire, in place of those before.
func (m *KeeperMetrics) expiry(before, channels []ingest.Channel) {
	for _, c := range before {
		if !slices.ContainsFunc(channels, func(other ingest.Channel) bool { return other.Account == c.Account && other.ID == c.ID }) {
			m.expires.DeleteLabelValues(c.Provider, c.Account, c.ID)
		}
	}
	for _, c := range channels {
		ends := 0.0
		switch {
		case c.State == "active" && c.Expires.IsZero():
			ends = math.Inf(1)
		case c.State == "active":
			ends = float64(c.Expires.Unix())
		}
		m.expires.WithLabelValues(c.Provider, c.Account, c.ID).Set(ends)
	}
}

func (m *KeeperMetrics) records(changes []ingest.Change) {
	for _, change := range changes {
		m.read.WithLabelValues(change.Provider, change.Account, change.Module).Inc()
	}
}

// The results of gaps_closed_total.
const (
	repaired   = "repaired"
	unrepaired = "unrepaired"
)

func (m *KeeperMetrics) closed(provider, result string) {
	m.gaps.WithLabelValues(provider, result).Inc()
}
