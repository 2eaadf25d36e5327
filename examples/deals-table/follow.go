package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// source is where events are read, in the order of the stream. There is no durable consumer: the table itself keeps its position, so that
// position and rows cannot differ, and a table without its file begins with the first event.
type source struct{ stream, subject string }

// atOnce is how many events one transaction applies, at most: one sync for all that are waiting. An event can have a megabyte, and a NATS
// server cuts a connection for which 64 MiB wait.
const atOnce = 50

// keepFollowing reads events until ctx ends or the table cannot be written, and returns why.
func (s source) keepFollowing(ctx context.Context, nc *nats.Conn, js jetstream.JetStream, t *table) error {
	for {
		err := s.follow(ctx, nc, js, t)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case errors.Is(err, errTable) || nc.IsClosed():
			return errors.Join(err, nc.LastError())
		}
		fmt.Fprintf(os.Stderr, "waiting for the stream %s: %v\n", s.stream, err)
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
}

// errLost says that the connection was lost. The stream may be another one afterwards, so its creation time is checked again.
var errLost = errors.New("the connection was lost")

// follow reads from the table's position: first the history, then events as they arrive, without a gap.
func (s source) follow(ctx context.Context, nc *nats.Conn, js jetstream.JetStream, t *table) error {
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)
	lost := nc.StatusChanged(nats.RECONNECTING)
	defer nc.RemoveStatusListener(lost)
	go func() {
		select {
		case <-lost:
			end(errLost)
		case <-ctx.Done():
		}
	}()
	stream, err := js.Stream(ctx, s.stream)
	if err != nil {
		return err
	}
	info := stream.CachedInfo()
	at, err := t.position(s, info)
	if err != nil {
		return err
	}
	if first := info.State.FirstSeq; first > at.Sequence+1 {
		fmt.Fprintf(os.Stderr, "the stream %s no longer holds its events %d to %d: a backfill brings what they reported\n", s.stream, at.Sequence+1, first-1)
	}
	consumer, err := stream.OrderedConsumer(ctx, jetstream.OrderedConsumerConfig{
		FilterSubjects: []string{s.subject}, DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: at.Sequence + 1,
	})
	if err != nil {
		return err
	}
	messages, err := consumer.Messages(jetstream.PullMaxMessages(atOnce))
	if err != nil {
		return err
	}
	defer messages.Stop()
	for {
		waiting, err := gather(ctx, messages)
		if err != nil {
			if ctx.Err() != nil {
				err = context.Cause(ctx)
			}
			return err
		}
		if at, err = t.apply(s, at, waiting); err != nil {
			return err
		}
	}
}

// gather waits for an event, and returns it with those that are already waiting.
func gather(ctx context.Context, messages jetstream.MessagesContext) ([]jetstream.Msg, error) {
	first, err := messages.Next(jetstream.NextContext(ctx))
	if err != nil {
		return nil, err
	}
	all := []jetstream.Msg{first}
	for len(all) < atOnce {
		next, err := messages.Next(jetstream.NextMaxWait(time.Millisecond))
		if errors.Is(err, nats.ErrTimeout) {
			break
		}
		if err != nil {
			return nil, err
		}
		all = append(all, next)
	}
	return all, nil
}
