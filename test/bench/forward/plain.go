package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// plainWindow is how many messages nats.go has in flight: its own default.
const plainWindow = 4000

// connect connects to the remote, with its stream.
func connect(ctx context.Context, url string) (*nats.Conn, jetstream.JetStream, error) {
	conn, err := nats.Connect(url)
	if err != nil {
		return nil, nil, err
	}
	js, err := jetstream.New(conn, jetstream.WithPublishAsyncMaxPending(plainWindow))
	if err == nil {
		_, err = js.CreateOrUpdateStream(ctx, jetstream.StreamConfig{Name: stream, Subjects: []string{"crm.>"}, Duplicates: 2 * time.Minute})
	}
	if err != nil {
		conn.Close()
	}
	return conn, js, err
}

// memory publishes messages that are made beforehand.
func memory(ctx context.Context, args []string) error {
	events, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	all := make([]*nats.Msg, events)
	for n := range all {
		all[n] = message(n)
	}
	conn, js, err := connect(ctx, args[0])
	if err != nil {
		return err
	}
	defer conn.Close()
	return timed(func() error {
		for _, msg := range all {
			if _, err := js.PublishMsgAsync(msg, jetstream.WithStallWait(time.Minute)); err != nil {
				return err
			}
		}
		return complete(ctx, js)
	})
}

// pull publishes the messages of a journal as they are pulled from it. It removes none.
func pull(ctx context.Context, args []string) error {
	events, err := strconv.Atoi(args[1])
	if err != nil {
		return err
	}
	server, local, err := openEmbedded(ctx, args[2])
	if err != nil {
		return err
	}
	defer server.Close()
	defer local.Close()
	consumer, err := local.JetStream().CreateConsumer(ctx, journal, jetstream.ConsumerConfig{AckPolicy: jetstream.AckExplicitPolicy, AckWait: time.Hour, MaxAckPending: -1, MemoryStorage: true})
	if err != nil {
		return err
	}
	conn, js, err := connect(ctx, args[0])
	if err != nil {
		return err
	}
	defer conn.Close()
	messages, err := consumer.Messages()
	if err != nil {
		return err
	}
	defer messages.Stop()
	return timed(func() error {
		for range events {
			msg, err := messages.Next(jetstream.NextContext(ctx))
			if err != nil {
				return err
			}
			header := nats.Header{
				"content-type": {msg.Headers().Get("content-type")}, nats.ExpectedStreamHdr: {stream}, nats.MsgIdHdr: {msg.Headers().Get("crm-bridge-id")},
			}
			out := &nats.Msg{Subject: strings.TrimPrefix(msg.Subject(), journal+"."), Header: header, Data: msg.Data()}
			if _, err := js.PublishMsgAsync(out, jetstream.WithStallWait(time.Minute)); err != nil {
				return err
			}
		}
		return complete(ctx, js)
	})
}

func complete(ctx context.Context, js jetstream.JetStream) error {
	select {
	case <-js.PublishAsyncComplete():
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// timed runs publish, and prints how much CPU it took, in seconds.
func timed(publish func() error) error {
	before := cpuOf(os.Getpid())
	if err := publish(); err != nil {
		return err
	}
	_, err := fmt.Println((cpuOf(os.Getpid()) - before).Seconds())
	return err
}

var errNoRemote = errors.New("the remote NATS server does not start")
