package consumers_test

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/testutil"

	"github.com/crm-bridge/crm-bridge/publish"
	"github.com/crm-bridge/crm-bridge/publish/consumers"
)

// scraped returns the values of a metric by its labels.
func scraped(t *testing.T, registry *prometheus.Registry, metric string) map[string]float64 {
	t.Helper()
	families, err := registry.Gather()
	if err != nil {
		t.Fatal(err)
	}
	values := map[string]float64{}
	for _, family := range families {
		if family.GetName() != "crm_bridge_consumer_"+metric {
			continue
		}
		for _, one := range family.GetMetric() {
			var labels []string
			for _, label := range one.GetLabel() {
				labels = append(labels, label.GetValue())
			}
			values[strings.Join(labels, " ")] = one.GetGauge().GetValue()
		}
	}
	return values
}

// collect runs metrics until the end of the test.
func collect(t *testing.T, list func(context.Context) ([]consumers.Consumer, error)) *prometheus.Registry {
	t.Helper()
	registry := prometheus.NewRegistry()
	metrics := consumers.NewMetrics(registry, list)
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		metrics.Run(ctx)
	}()
	t.Cleanup(func() {
		cancel()
		<-ended
	})
	return registry
}

// A scrape shows each durable consumer as it is: what it lacks, what it holds, what it gave up on, and since when it is silent.
func TestScrapeShowsConsumers(t *testing.T) {
	t.Parallel()
	h := open(t)
	h.publish(1, 5)
	billing := h.consume(jetstream.ConsumerConfig{Durable: "billing"})
	h.consume(jetstream.ConsumerConfig{Name: "passing", InactiveThreshold: time.Minute})
	if _, err := h.conn.JetStream().CreateConsumer(t.Context(), "CRM", jetstream.ConsumerConfig{Durable: publish.OwnConsumers + "records"}); err != nil {
		t.Fatal(err)
	}
	h.term(billing, 1)
	h.fetch(billing, 2)
	h.dead("billing", 1)
	if _, err := consumers.Pause(t.Context(), h.conn, "CRM", "billing", time.Now().Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	view := &consumers.View{Reach: h.list.Reach, Streams: []string{"CRM", "CRM_REPLAY"}, Dead: h.list}
	registry := collect(t, view.List)
	for metric, want := range map[string]float64{"lag": 2, "ack_pending": 2, "redelivered": 0, "dead": 1, "paused": 1} {
		if got := scraped(t, registry, metric); len(got) != 1 || got["billing CRM"] != want {
			t.Errorf("%s is %v, not %v", metric, got, want)
		}
	}
	if silent := scraped(t, registry, "last_ack_seconds")["billing CRM"]; silent <= 0 || silent > 60 {
		t.Errorf("it is silent for %v s", silent)
	}
	if problems, err := testutil.GatherAndLint(registry); err != nil || len(problems) > 0 {
		t.Errorf("%v, %v", problems, err)
	}
}

// Of many consumers a hundred have metrics of their own, the oldest; the others are summed up for each stream.
func TestManyConsumersAreSummedUp(t *testing.T) {
	t.Parallel()
	made := time.Now().Add(-time.Hour)
	registry := collect(t, func(context.Context) (all []consumers.Consumer, _ error) {
		for n := range 103 {
			all = append(all, consumers.Consumer{Stream: "CRM", Name: fmt.Sprintf("c%03d", 999-n), Durable: true, Created: made.Add(time.Duration(n) * time.Second), Lag: 2, Dead: 1})
		}
		all[0].Name = "other" // it must not be shown twice
		return all, nil
	})
	lags := scraped(t, registry, "lag")
	if _, own := lags["c998 CRM"]; len(lags) != 101 || !own || lags["other CRM"] != 6 {
		t.Errorf("%d series: %v", len(lags), lags)
	}
	if got := scraped(t, registry, "dead")["other CRM"]; got != 3 {
		t.Errorf("the others gave up on %v", got)
	}
	if got := scraped(t, registry, "last_ack_seconds")["other CRM"]; got < 3400 || got > 3700 {
		t.Errorf("the others are silent for %v", got)
	}
}

// A slow server holds a scrape for a second at most; what it says then is in the next one, and the server is not asked twice in a moment.
func TestSlowServerDoesNotHoldAScrape(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		asked, slow := 0, 3*time.Second
		registry := collect(t, func(context.Context) ([]consumers.Consumer, error) {
			asked++
			time.Sleep(slow)
			return []consumers.Consumer{{Stream: "CRM", Name: "billing", Durable: true, Lag: uint64(asked)}}, nil
		})
		began := time.Now()
		if got := scraped(t, registry, "lag"); len(got) > 0 || time.Since(began) != time.Second {
			t.Errorf("the first scrape shows %v after %s", got, time.Since(began))
		}
		time.Sleep(3 * time.Second)
		synctest.Wait()
		slow = 0
		began = time.Now()
		if got := scraped(t, registry, "lag"); got["billing CRM"] != 1 || time.Since(began) != 0 || asked != 1 {
			t.Errorf("the second scrape shows %v after %s, and asked %d times", got, time.Since(began), asked)
		}
		time.Sleep(10 * time.Second)
		if got := scraped(t, registry, "lag"); got["billing CRM"] != 2 {
			t.Errorf("the third scrape shows %v", got)
		}
	})
}

// A server that does not answer for lack of a permission is not asked at every scrape.
func TestServerThatDoesNotAnswerRests(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		registry := collect(t, func(context.Context) ([]consumers.Consumer, error) {
			asked++
			return nil, fmt.Errorf("list: %w", consumers.ErrNotAnswered)
		})
		for range 24 { // of 15 seconds
			scraped(t, registry, "lag")
			time.Sleep(15 * time.Second)
		}
		if asked != 2 {
			t.Errorf("within six minutes it is asked %d times", asked)
		}
	})
}

// When the server has not answered for long, nothing is shown: a stale figure would look like a good one.
func TestStaleFiguresAreNotShown(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		down := false
		registry := collect(t, func(context.Context) ([]consumers.Consumer, error) {
			if down {
				return nil, fmt.Errorf("the remote is unreachable")
			}
			return []consumers.Consumer{{Stream: "CRM", Name: "billing", Durable: true}}, nil
		})
		scraped(t, registry, "lag")
		synctest.Wait()
		down = true
		time.Sleep(time.Minute)
		if got := scraped(t, registry, "lag"); len(got) != 1 {
			t.Errorf("after a minute it shows %v", got)
		}
		time.Sleep(2 * time.Minute)
		if got := scraped(t, registry, "lag"); len(got) != 0 {
			t.Errorf("after three minutes it shows %v", got)
		}
	})
}
