package main

import (
	"context"
	"encoding/json"
	"os"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// bareCommand is the argument with which this program runs itself.
const bareCommand = "bare"

// counted is what bare prints.
type counted struct {
	Events, Bytes int
	Peak          int64
}

// bare reads the stream with nats.go's ordered consumer, and counts.
func bare(ctx context.Context, url string) error {
	conn, err := nats.Connect(url)
	if err != nil {
		return err
	}
	defer conn.Close()
	js, err := jetstream.New(conn)
	if err != nil {
		return err
	}
	consumer, err := js.OrderedConsumer(ctx, "CRM", jetstream.OrderedConsumerConfig{FilterSubjects: []string{"crm.>"}})
	if err != nil {
		return err
	}
	messages, err := consumer.Messages()
	if err != nil {
		return err
	}
	defer messages.Stop()
	events, size := 0, 0
	for {
		msg, err := messages.Next(jetstream.NextContext(ctx))
		if err != nil {
			return err
		}
		events++
		size += len(msg.Data())
		if meta, err := msg.Metadata(); err != nil {
			return err
		} else if meta.NumPending == 0 {
			return json.NewEncoder(os.Stdout).Encode(counted{Events: events, Bytes: size, Peak: peakOf(os.Getpid())})
		}
	}
}
