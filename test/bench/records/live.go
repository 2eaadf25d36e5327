package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/crm-bridge/crm-bridge/schemas"
	"github.com/crm-bridge/crm-bridge/test/bench/process"
)

// lateness is how long after the answers to their callbacks states arrive at a consumer.
type lateness struct {
	callbacks      int
	p50, p99, most time.Duration
	reads          int64
	usage          process.Usage
}

// bulkChange is what the callbacks about many records at once cost.
type bulkChange struct {
	answered, settled time.Duration // since the first callback: the last answer, and the last state
	reads             int64
	usage             process.Usage
}

// clock notes when callbacks were answered, and when the states arrived that they caused, by the events' ids.
type clock struct {
	mu                sync.Mutex
	answered, arrived map[string]time.Time
}

func (c *clock) note(moments map[string]time.Time, id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, known := moments[id]; !known {
		moments[id] = time.Now()
	}
}

// follow notes the states that arrive until stop is called.
func (c *clock) follow(ctx context.Context, js jetstream.JetStream) (stop func(), err error) {
	consumer, err := js.OrderedConsumer(ctx, stream, jetstream.OrderedConsumerConfig{})
	if err != nil {
		return nil, err
	}
	following, err := consumer.Consume(func(msg jetstream.Msg) {
		var event struct{ Data schemas.Record }
		if json.Unmarshal(msg.Data(), &event) == nil {
			for _, cause := range event.Data.Causes {
				c.note(c.arrived, cause.ID)
			}
		}
	})
	if err != nil {
		return nil, err
	}
	return following.Stop, nil
}

// callbacks sends callbacks at a rate, and measures how late their states are.
func (m *measuring) callbacks(ctx context.Context) error {
	s, err := m.open(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	deals, err := s.deals(m.deals)
	if err != nil {
		return err
	}
	c := &clock{answered: map[string]time.Time{}, arrived: map[string]time.Time{}}
	stop, err := c.follow(ctx, s.js)
	if err != nil {
		return err
	}
	defer stop()
	n := m.rate * int(m.span/time.Second)
	errs := make([]error, n)
	var sending sync.WaitGroup
	ticks := time.NewTicker(time.Second / time.Duration(m.rate))
	defer ticks.Stop()
	for i := range n {
		select {
		case <-ticks.C:
		case <-ctx.Done():
			return ctx.Err()
		}
		sending.Go(func() { errs[i] = s.change(ctx, c, deals[i%len(deals)], i) })
	}
	sending.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	return m.judge(c, s)
}

// judge waits for the states, and notes how late they were.
func (m *measuring) judge(c *clock, s *stage) (err error) {
	for end := time.Now().Add(settleTimeout); ; time.Sleep(lookEvery) {
		c.mu.Lock()
		missing := len(c.answered) - len(c.arrived)
		c.mu.Unlock()
		if missing == 0 {
			break
		} else if time.Now().After(end) {
			return fmt.Errorf("%d %w", missing, errLate)
		}
	}
	var late []time.Duration
	for id, at := range c.answered {
		late = append(late, c.arrived[id].Sub(at))
	}
	slices.Sort(late)
	m.steady = lateness{callbacks: len(late), p50: late[len(late)/2], p99: late[len(late)*99/100], most: late[len(late)-1], reads: s.crm.reads.Load()}
	m.steady.usage, _, err = s.Usage()
	return err
}

// connections send a bulk change.
const connections = 64

// changeAll changes many records, and sends their callbacks as fast as they are answered.
func (m *measuring) changeAll(ctx context.Context) error {
	s, err := m.open(ctx)
	if err != nil {
		return err
	}
	defer s.close()
	deals, err := s.deals(m.bulk)
	if err != nil {
		return err
	}
	c := &clock{answered: map[string]time.Time{}}
	began := time.Now()
	errs := make([]error, connections)
	var sending sync.WaitGroup
	for i := range connections {
		sending.Go(func() {
			for n := i; n < len(deals) && errs[i] == nil; n += connections {
				errs[i] = s.change(ctx, c, deals[n], n)
			}
		})
	}
	sending.Wait()
	m.burst.answered = time.Since(began)
	if err := errors.Join(errs...); err != nil {
		return err
	}
	if err := s.await(ctx, m.bulk); err != nil {
		return err
	}
	m.burst.settled, m.burst.reads = time.Since(began), s.crm.reads.Load()
	m.burst.usage, _, err = s.Usage()
	return err
}

// deals makes records.
func (s *stage) deals(n int) (ids []string, err error) {
	for i := range n {
		id, err := s.crm.Create("Deals", map[string]any{"Deal_Name": fmt.Sprint("Harbour ", i), "Amount": i, "Stage": "Qualification", "Description": strings.Repeat("about the harbour ", 20)})
		if err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, nil
}

// client keeps the connections that it has used.
var client = &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: connections}}

// change changes a record, and posts the callback about it.
func (s *stage) change(ctx context.Context, c *clock, id string, n int) error {
	if err := s.crm.Update("Deals", id, map[string]any{"Amount": -1 - n}); err != nil {
		return err
	}
	body := fmt.Sprintf(`{"server_time":%d,"query_params":{},"module":"Deals","resource_uri":"https://www.zohoapis.com/crm/v8/Deals","ids":["%s"],`+
		`"affected_fields":[{"%[2]s":["Amount"]}],"operation":"update","channel_id":"%s","token":"%s"}`, time.Now().UnixMilli(), id, channel, token)
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, s.Callbacks+"/zoho/notifications", strings.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	var answer struct{ Events []struct{ ID string } }
	if err := json.NewDecoder(response.Body).Decode(&answer); err != nil || response.StatusCode != http.StatusOK || len(answer.Events) != 1 {
		return fmt.Errorf("a callback was answered with %s: %w", response.Status, err)
	}
	c.note(c.answered, answer.Events[0].ID)
	return nil
}
