package status

import (
	"context"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

const (
	// ratesEvery is how often the metrics are sampled, maxRates how many samples are remembered: an hour.
	ratesEvery = time.Minute
	maxRates   = 60
)

// Rates remembers what came of the callbacks of the last hour, minute by minute. Set the fields once.
type Rates struct {
	Metrics prometheus.Gatherer

	mu   sync.Mutex
	last []Rate // oldest first
}

// Run samples the metrics until ctx ends.
func (r *Rates) Run(ctx context.Context) {
	before, at := r.totals(), time.Now()
	ticker := time.NewTicker(ratesEvery)
	defer ticker.Stop()
	for {
		select {
		case <-ticker.C:
			now := r.totals()
			r.add(now.since(before, time.Since(at)))
			before, at = now, time.Now()
		case <-ctx.Done():
			return
		}
	}
}

func (r *Rates) add(one Rate) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.last = append(r.last, one); len(r.last) > maxRates {
		r.last = slices.Delete(r.last, 0, 1)
	}
}

// Last returns the rates of the last hour, one a minute, oldest first.
func (r *Rates) Last() []Rate {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]Rate{}, r.last...)
}

// totals are the callbacks since the start, of all sources.
type totals struct {
	accepted, all float64
	within        map[float64]uint64 // how many were answered within so many seconds
}

// totals reads the metrics; zero where they cannot be read.
func (r *Rates) totals() totals {
	sum := totals{within: map[float64]uint64{}}
	families, _ := r.Metrics.Gather() // those that could be read are returned all the same
	for _, family := range families {
		switch family.GetName() {
		case "crm_bridge_callbacks_total":
			for _, metric := range family.GetMetric() {
				n := metric.GetCounter().GetValue()
				sum.all += n
				for _, label := range metric.GetLabel() {
					if label.GetName() == "outcome" && label.GetValue() == "accepted" {
						sum.accepted += n
					}
				}
			}
		case "crm_bridge_callback_duration_seconds":
			for _, metric := range family.GetMetric() {
				for _, bucket := range metric.GetHistogram().GetBucket() {
					sum.within[bucket.GetUpperBound()] += bucket.GetCumulativeCount()
				}
				sum.within[math.Inf(1)] += metric.GetHistogram().GetSampleCount()
			}
		}
	}
	return sum
}

// since returns what came after an earlier reading, which was so long ago.
func (t totals) since(before totals, took time.Duration) Rate {
	seconds := max(took.Seconds(), 0.001)
	within := make(map[float64]uint64, len(t.within))
	for bound, n := range t.within {
		within[bound] = n - min(n, before.within[bound])
	}
	accepted := t.accepted - before.accepted
	rate := Rate{At: time.Now().UTC(), Accepted: accepted / seconds, Rejected: max(0, t.all-before.all-accepted) / seconds}
	if p50, ok := quantile(0.5, within); ok {
		p99, _ := quantile(0.99, within)
		rate.P50, rate.P99 = &p50, &p99
	}
	return rate
}

// quantile returns the value below which a part of the observations lies, from the numbers within bounds; within a bucket they count as evenly
// spread. What is beyond the last bound counts as there. ok is false without an observation.
func quantile(part float64, within map[float64]uint64) (value float64, ok bool) {
	bounds := make([]float64, 0, len(within))
	for bound := range within {
		bounds = append(bounds, bound)
	}
	slices.Sort(bounds)
	if len(bounds) == 0 || within[bounds[len(bounds)-1]] == 0 {
		return 0, false
	}
	rank := part * float64(within[bounds[len(bounds)-1]])
	low, below := 0.0, uint64(0)
	for _, bound := range bounds {
		n := within[bound]
		if float64(n) >= rank && n > below {
			if math.IsInf(bound, 1) {
				return low, true
			}
			return low + (bound-low)*(rank-float64(below))/float64(n-below), true
		}
		low, below = bound, n
	}
	return low, true
}
