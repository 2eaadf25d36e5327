//go:build linux

package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// reconcile compares the events that answers named with those in the stream.
func reconcile(ctx context.Context, at *site, l *load, r *result) error {
	stored, err := stored(ctx, at.serving.NATS)
	if err != nil {
		return err
	}
	for id, answered := range l.ids {
		switch n := stored[id]; {
		case n == 0:
			r.missing++
		case n > 1 || answered > 1:
			r.twice++
		}
	}
	return nil
}

// stored returns how often the stream at a URL holds each event.
func stored(ctx context.Context, url string) (map[string]int, error) {
	conn, err := nats.Connect(url)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		return nil, err
	}
	consumer, err := js.CreateOrUpdateConsumer(ctx, "CRM", jetstream.ConsumerConfig{FilterSubject: "crm.>", AckPolicy: jetstream.AckNonePolicy})
	if err != nil {
		return nil, err
	}
	all := map[string]int{}
	deadline := time.Now().Add(time.Minute)
	for left := int(consumer.CachedInfo().NumPending); left > 0; {
		batch, err := consumer.Fetch(min(left, 500), jetstream.FetchMaxWait(10*time.Second))
		if err != nil {
			return nil, err
		}
		for message := range batch.Messages() {
			var event struct{ ID string }
			if err := json.Unmarshal(message.Data(), &event); err != nil {
				return nil, fmt.Errorf("an event: %w", err)
			}
			all[event.ID]++
			left--
		}
		if time.Now().After(deadline) {
			return nil, fmt.Errorf("%d events were not read within a minute: %w", left, errors.Join(batch.Error(), ctx.Err()))
		}
	}
	return all, nil
}
