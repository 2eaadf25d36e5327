package consumers

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"
)

const (
	// maxSeries is how many consumers have metrics of their own; the others of a stream are summed up as otherConsumers.
	maxSeries      = 100
	otherConsumers = "other"
	// fresh is how old what a scrape shows may be before the server is asked again.
	fresh = 5 * time.Second
	// scrapeWaits is how long a scrape waits for the server. What the server answers later is for the next one.
	scrapeWaits = time.Second
	// unanswered is how long the server is not asked after it did not answer: each request without permission is an error in its log.
	unanswered = 5 * time.Minute
	// stale is how old what is shown may be: beyond, nothing is.
	stale = 2 * time.Minute
)

// Metrics shows durable consumers that do not belong to the bridge. The server is asked when Prometheus scrapes.
type Metrics struct {
	list  func(context.Context) ([]Consumer, error)
	gauge map[string]*prometheus.Desc

	asked chan struct{} // holds one when the server should be asked

	mu      sync.Mutex
	last    []Consumer
	at      time.Time     // when last was asked for
	rests   time.Time     // until when the server is not asked
	answers chan struct{} // closed at the next answer
}

// NewMetrics registers metrics of the consumers that list returns. Run them.
func NewMetrics(reg prometheus.Registerer, list func(context.Context) ([]Consumer, error)) *Metrics {
	labels := []string{"stream", "consumer"}
	m := &Metrics{list: list, asked: make(chan struct{}, 1), answers: make(chan struct{}), gauge: map[string]*prometheus.Desc{
		"lag":         prometheus.NewDesc("crm_bridge_consumer_lag", "Messages that a consumer has not been sent yet.", labels, nil),
		"ack_pending": prometheus.NewDesc("crm_bridge_consumer_ack_pending", "Messages that a consumer was sent and has not acknowledged.", labels, nil),
		"redelivered": prometheus.NewDesc("crm_bridge_consumer_redelivered", "Messages that a consumer was sent more than once and has not acknowledged.", labels, nil),
		"last_ack":    prometheus.NewDesc("crm_bridge_consumer_last_ack_seconds", "Seconds since a consumer last acknowledged a message, or since it was made if it has not since the NATS server started.", labels, nil),
		"paused":      prometheus.NewDesc("crm_bridge_consumer_paused", "1 while a consumer is paused, else 0.", labels, nil),
		"dead":        prometheus.NewDesc("crm_bridge_consumer_dead", "Messages that a consumer gave up on within 30 days and that no replay has re-delivered.", labels, nil),
	}}
	reg.MustRegister(m)
	return m
}

// Run asks the server whenever a scrape wants it, until ctx ends.
func (m *Metrics) Run(ctx context.Context) {
	for {
		select {
		case <-m.asked:
		case <-ctx.Done():
			return
		}
		at := time.Now()
		all, err := m.list(ctx)
		m.mu.Lock()
		if err == nil || len(all) > 0 {
			m.last, m.at = all, at
		} else if errors.Is(err, ErrNotAnswered) {
			m.rests = at.Add(unanswered)
		}
		close(m.answers)
		m.answers = make(chan struct{})
		m.mu.Unlock()
	}
}

// Describe implements prometheus.Collector.
func (m *Metrics) Describe(to chan<- *prometheus.Desc) {
	for _, gauge := range m.gauge {
		to <- gauge
	}
}

// Collect implements prometheus.Collector.
func (m *Metrics) Collect(to chan<- prometheus.Metric) {
	now := time.Now()
	for _, one := range series(m.known(), now) {
		show := func(name string, value float64) {
			to <- prometheus.MustNewConstMetric(m.gauge[name], prometheus.GaugeValue, value, one.Stream, one.Name)
		}
		show("lag", float64(one.Lag))
		show("ack_pending", float64(one.AckPending))
		show("redelivered", float64(one.Redelivered))
		show("dead", float64(one.Dead))
		show("last_ack", one.sinceAck(now).Seconds())
		paused := 0.0
		if one.PausedUntil != nil {
			paused = 1
		}
		show("paused", paused)
	}
}

// known returns the consumers of a moment ago, and asks the server again where they are older.
func (m *Metrics) known() []Consumer {
	m.mu.Lock()
	answers, old := m.answers, time.Since(m.at) > fresh && time.Now().After(m.rests)
	m.mu.Unlock()
	if old {
		select {
		case m.asked <- struct{}{}:
		default: // it is asked already
		}
		late := time.NewTimer(scrapeWaits)
		defer late.Stop()
		select {
		case <-answers:
		case <-late.C:
		}
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	if time.Since(m.at) > stale {
		return nil
	}
	return m.last
}

// sinceAck returns for how long the consumer has acknowledged nothing. One that acknowledges nothing at all has when it was last sent
// something.
func (c Consumer) sinceAck(now time.Time) time.Duration {
	last := c.Created
	for _, at := range []*time.Time{c.AckFloor.At, c.Delivered.At} {
		if at != nil && at.After(last) && (at == c.AckFloor.At || c.AckPolicy == "none") {
			last = *at
		}
	}
	return max(0, now.Sub(last))
}

// series returns the consumers that have metrics: the durable ones, those beyond maxSeries summed up for each stream. The oldest come
// first, so that a new one takes nobody's place.
func series(all []Consumer, now time.Time) []Consumer {
	shown := slices.DeleteFunc(slices.Clone(all), func(one Consumer) bool { return one.Own || !one.Durable })
	if len(shown) <= maxSeries {
		return shown
	}
	slices.SortFunc(shown, func(a, b Consumer) int { return cmp.Or(a.Created.Compare(b.Created), compare(a, b)) })
	own, others := shown[:0], map[string]*Consumer{}
	for _, one := range shown {
		if len(own) < maxSeries && one.Name != otherConsumers { // one of that name is among the others
			own = append(own, one)
			continue
		}
		sum := others[one.Stream]
		if sum == nil {
			sum = &Consumer{Stream: one.Stream, Name: otherConsumers, Created: now}
			others[one.Stream] = sum
		}
		sum.Lag += one.Lag
		sum.AckPending += one.AckPending
		sum.Redelivered += one.Redelivered
		sum.Dead += one.Dead
		if waits := one.Lag > 0 || one.AckPending > 0; waits && one.PausedUntil == nil { // the one that is stuck for longest
			sum.Created = now.Add(-max(now.Sub(sum.Created), one.sinceAck(now)))
		}
	}
	for _, sum := range others {
		own = append(own, *sum)
	}
	return own
}
