package keep

import (
	"cmp"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/crm-bridge/crm-bridge/ingest"
)

// openGaps shows the gaps that are not read from the CRM yet, of the orgs whose claim this replica holds.
type openGaps struct {
	number, oldest *prometheus.Desc

	mu sync.Mutex
	of map[string]*orgGaps // by CRM.Key
}

// orgGaps are the open gaps of an org, by shard.
type orgGaps struct {
	provider string
	shards   map[int]shardGaps
}

type shardGaps struct {
	open  int
	since time.Time // when the oldest was noted
}

func newOpenGaps() *openGaps {
	return &openGaps{
		number: prometheus.NewDesc("crm_bridge_gaps_open", "Gaps in the callbacks, one for each module, that are not read from the CRM yet.", []string{"provider"}, nil),
		oldest: prometheus.NewDesc("crm_bridge_gaps_oldest_seconds", "How long the oldest open gap has been known; 0: there is none.", []string{"provider"}, nil),
		of:     map[string]*orgGaps{},
	}
}

// open shows the gaps of a shard of an org.
func (g *openGaps) open(crm *ingest.CRM, shard int, jobs []job) {
	var gaps shardGaps
	for _, one := range jobs {
		if one.Second {
			continue
		}
		noted := cmp.Or(one.Noted, time.Now()) // an older version did not note it
		if gaps.open++; gaps.since.IsZero() || noted.Before(gaps.since) {
			gaps.since = noted
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	of := g.of[crm.Key()]
	if of == nil {
		of = &orgGaps{crm.Provider, map[int]shardGaps{}}
		g.of[crm.Key()] = of
	}
	of.shards[shard] = gaps
}

// forget shows the gaps of an org no more: another replica does.
func (g *openGaps) forget(crm *ingest.CRM) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.of, crm.Key())
}

// Describe implements prometheus.Collector.
func (g *openGaps) Describe(to chan<- *prometheus.Desc) { to <- g.number; to <- g.oldest }

// Collect implements prometheus.Collector.
func (g *openGaps) Collect(to chan<- prometheus.Metric) {
	g.mu.Lock()
	defer g.mu.Unlock()
	all := map[string]shardGaps{} // by provider
	for _, of := range g.of {
		sum := all[of.provider]
		for _, gaps := range of.shards {
			sum.open += gaps.open
			if gaps.open > 0 && (sum.since.IsZero() || gaps.since.Before(sum.since)) {
				sum.since = gaps.since
			}
		}
		all[of.provider] = sum
	}
	for provider, sum := range all {
		age := 0.0
		if sum.open > 0 {
			age = max(0, time.Since(sum.since).Seconds())
		}
		to <- prometheus.MustNewConstMetric(g.number, prometheus.GaugeValue, float64(sum.open), provider)
		to <- prometheus.MustNewConstMetric(g.oldest, prometheus.GaugeValue, age, provider)
	}
}
