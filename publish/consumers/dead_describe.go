package consumers

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/crm-bridge/crm-bridge/publish"
)

// describeAtOnce is how many messages are looked up at once.
const describeAtOnce = 16

// describe adds the subjects and the ids of the events that the streams still hold.
func (d *DeadLetters) describe(ctx context.Context, all []DeadLetter) error {
	conn, err := d.Reach()
	if err != nil {
		return err
	}
	streams := map[string]jetstream.Stream{}
	for _, one := range all {
		if _, known := streams[one.Stream]; known {
			continue
		}
		stream, err := conn.JetStream().Stream(ctx, one.Stream)
		if err != nil && !errors.Is(err, jetstream.ErrStreamNotFound) {
			return explain(conn, err, "look up stream "+one.Stream, "STREAM.INFO."+one.Stream)
		}
		streams[one.Stream] = stream
	}
	var (
		looking sync.WaitGroup
		slots   = make(chan struct{}, describeAtOnce)
		failed  = make([]error, len(all))
	)
	for i := range all {
		stream := streams[all[i].Stream]
		if stream == nil {
			continue
		}
		slots <- struct{}{}
		looking.Go(func() {
			defer func() { <-slots }()
			failed[i] = all[i].describe(ctx, stream)
		})
	}
	looking.Wait()
	for _, err := range failed {
		if err != nil {
			return err
		}
	}
	return nil
}

// describe adds what the stream still holds of the message.
func (d *DeadLetter) describe(ctx context.Context, stream jetstream.Stream) error {
	m, err := stream.GetMsg(ctx, d.Sequence)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("message %d of stream %s: %w", d.Sequence, d.Stream, err)
	}
	d.Subject = m.Subject
	if e, err := publish.ParseEvent(m.Header, m.Data); err == nil {
		d.EventID = e.ID()
	}
	return nil
}
