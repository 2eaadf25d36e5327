package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/google/uuid"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// reconcile waits until the journals are empty, reads the stream, and notes in the ledger what it holds.
func (r *release) reconcile(ctx context.Context, l *ledger) error {
	if r.way == journal {
		if err := r.emptied(ctx); err != nil {
			return err
		}
	}
	from := "nats-0"
	if r.way == embedded {
		from = name + "-0"
	}
	var err error
	for range readings {
		l.forget()
		if err = r.read(ctx, from, l); err == nil || ctx.Err() != nil {
			return err
		}
		r.site.say("read the stream again: %v", err)
	}
	return err
}

// readings is how often the stream is read if the way to it breaks.
const readings = 3

// emptied returns when no replica has an event in its journal that NATS has not acknowledged.
func (r *release) emptied(ctx context.Context) error {
	return until(ctx, r.site.within, "the journals are empty", func(ctx context.Context) (bool, error) {
		pods, err := r.site.pods(ctx, selector)
		if err != nil {
			return false, err
		}
		for _, p := range pods {
			waits, err := r.waits(ctx, p)
			if err != nil || waits > 0 {
				return false, errors.Join(err, fmt.Errorf("%d events wait in the journal of %s", waits, p.Metadata.Name))
			}
		}
		return len(pods) > 0, nil
	})
}

// waits returns how many events wait in the journal of a pod.
func (r *release) waits(ctx context.Context, p pod) (uint64, error) {
	text, err := r.site.kubectl(ctx, "", "exec", p.Metadata.Name, "--", "/usr/local/bin/crm-bridge", "check")
	if err != nil {
		return 0, err
	}
	var health struct{ JournalPending *uint64 }
	if err := json.Unmarshal([]byte(text), &health); err != nil || health.JournalPending == nil {
		return 0, fmt.Errorf("pod %s reports no journal: %q (%w)", p.Metadata.Name, text, err)
	}
	return *health.JournalPending, nil
}

// read reads every event of the load by a consumer, through a port of the pod that NATS runs in.
func (r *release) read(ctx context.Context, pod string, l *ledger) error {
	forward, address, err := r.site.forward(ctx, pod, 4222)
	if err != nil {
		return err
	}
	defer forward.close()
	conn, err := nats.Connect("nats://"+address, nats.UserInfo(r.user, r.password), nats.Timeout(10*time.Second), nats.NoReconnect())
	if err != nil {
		return fmt.Errorf("connect to NATS in %s: %w", pod, err)
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		return err
	}
	const stream = "CRM"
	consumer, err := js.OrderedConsumer(ctx, stream, jetstream.OrderedConsumerConfig{FilterSubjects: []string{"crm.zoho.Deals.>"}})
	if err != nil {
		return fmt.Errorf("read stream %s: %w", stream, err)
	}
	messages, err := consumer.Messages()
	if err != nil {
		return fmt.Errorf("read stream %s: %w", stream, err)
	}
	defer messages.Stop()
	for {
		msg, err := messages.Next(jetstream.NextMaxWait(20 * time.Second))
		if err != nil {
			return fmt.Errorf("read stream %s: %w", stream, err)
		}
		var e struct {
			ID      uuid.UUID
			Subject string
		}
		if err := json.Unmarshal(msg.Data(), &e); err != nil {
			return fmt.Errorf("read an event of stream %s: %w", stream, err)
		}
		n, _ := strconv.Atoi(e.Subject) // 0 is no callback
		l.meet(n, e.ID)
		if m, err := msg.Metadata(); err != nil || m.NumPending == 0 {
			return err
		}
	}
}
