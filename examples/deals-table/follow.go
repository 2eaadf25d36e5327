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

// source is where states are read, in the order of the stream. There is no durable consumer: the table itself keeps its position, so that
// position and rows cannot differ, and a table without its file begins with each record as it is.
type source struct{ stream, subject string }

// atOnce is how many states one transaction applies, at most: one sync for all that are waiting. A state can have a megabyte or two, and
// a NATS server cuts a connection for which 64 MiB wait.
const atOnce = 32

// keepFollowing reads states until ctx ends or the table cannot be written, and returns why.
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

// follow reads on from the table's position: from the beginning the last state of each record, then every change as it arrives. What
// was not read when the program ended is in the stream as it is now, a deletion too.
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
	at, err := t.position(s, stream.CachedInfo())
	if err != nil {
		return err
	}
	start := jetstream.OrderedConsumerConfig{FilterSubjects: []string{s.subject}, DeliverPolicy: jetstream.DeliverLastPerSubjectPolicy}
	if at.Sequence > 0 {
		start.DeliverPolicy, start.OptStartSeq = jetstream.DeliverByStartSequencePolicy, at.Sequence+1
	}
	consumer, err := stream.OrderedConsumer(ctx, start)
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
		if at, err = t.apply(at, waiting); err != nil {
			return err
		}
	}
}

// gather waits for a state, and returns it with those that are already waiting.
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
