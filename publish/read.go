package publish

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/nats-io/nats.go/jetstream"
)

// Reader reads the events of a stream in order, without a trace on the server.
type Reader struct {
	Conn     *Conn
	Stream   string
	Subjects []string  // filters; empty: all
	Since    time.Time // zero: only what comes from now on
}

// Stored is an event as it stands in a stream.
type Stored struct {
	Subject  string
	Sequence uint64
	At       time.Time // when the stream took it
	Event    event.Event
	Err      error // the message is not an event that can be read
}

// JSON returns the event as indented JSON, whatever mode it was stored in.
func (s Stored) JSON() (string, error) {
	if s.Err != nil {
		return "", s.Err
	}
	var compact, indented bytes.Buffer
	if err := event.WriteJson(&s.Event, &compact); err != nil {
		return "", err
	}
	err := json.Indent(&indented, compact.Bytes(), "", "  ")
	return indented.String(), err
}

// Read calls each for every event until ctx ends or each returns an error, which it returns. It goes on after a lost
// connection where it was.
func (r *Reader) Read(ctx context.Context, each func(Stored) error) error {
	config := jetstream.OrderedConsumerConfig{FilterSubjects: r.Subjects, DeliverPolicy: jetstream.DeliverNewPolicy}
	if !r.Since.IsZero() {
		config.DeliverPolicy, config.OptStartTime = jetstream.DeliverByStartTimePolicy, &r.Since
	}
	consumer, err := r.Conn.js.OrderedConsumer(ctx, r.Stream, config)
	if err != nil {
		return fmt.Errorf("read stream %s: %w", r.Stream, err)
	}
	messages, err := consumer.Messages()
	if err != nil {
		return fmt.Errorf("read stream %s: %w", r.Stream, err)
	}
	defer messages.Stop()
	for {
		msg, err := messages.Next(jetstream.NextContext(ctx))
		switch {
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, jetstream.ErrNoHeartbeat):
			continue
		case err != nil:
			return fmt.Errorf("read stream %s: %w", r.Stream, err)
		}
		stored := Stored{Subject: msg.Subject()}
		if meta, err := msg.Metadata(); err == nil {
			stored.Sequence, stored.At = meta.Sequence.Stream, meta.Timestamp
		}
		stored.Event, stored.Err = ParseEvent(msg.Headers(), msg.Data())
		if err := each(stored); err != nil {
			return err
		}
	}
}
