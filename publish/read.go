package publish

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/cloudevents/sdk-go/v2/binding/format"
	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/crm-bridge/crm-bridge/schemas/jsontext"
)

// Reader reads the events of a stream in order, without a trace on the server.
type Reader struct {
	Conn     *Conn
	Stream   string
	Subjects []string  // filters; empty: all
	Since    time.Time // begin with the first event that the stream took then or later
	From     uint64    // begin at this sequence; neither given: only what comes from now on
}

// Stored is a message as it stands in a stream.
type Stored struct {
	Subject  string
	Sequence uint64
	At       time.Time // when the stream took it
	Pending  uint64    // how many of the messages that are read came behind it, when the server sent it
	Header   map[string][]string
	Data     []byte
}

// Event reads the message, in whatever mode it was stored.
func (s Stored) Event() (event.Event, error) { return ParseEvent(s.Header, s.Data) }

// written is how the bridge, and the SDK, begin an event in the structured mode.
const written = `{"specversion":"1.0","id":"`

// JSON returns the event in the structured mode, on one line. One that was stored so is checked to be JSON, and not decoded.
func (s Stored) JSON() (json.RawMessage, error) {
	if s.structured() && bytes.HasPrefix(s.Data, []byte(written)) && isOneLine(s.Data) {
		return s.Data, nil
	}
	e, err := s.Event()
	if err != nil {
		return nil, err
	}
	var text, line bytes.Buffer
	if err := event.WriteJson(&e, &text); err != nil {
		return nil, err
	}
	err = json.Compact(&line, text.Bytes())
	return line.Bytes(), err
}

// isOneLine reports whether a text is JSON, and without a line break.
func isOneLine(text []byte) bool {
	return bytes.IndexByte(text, '\n') < 0 && bytes.IndexByte(text, '\r') < 0 && jsontext.Check(text) == nil
}

// structured reports whether the message says that it is an event in the structured mode, in JSON.
func (s Stored) structured() bool {
	values := s.Header[contentType]
	return len(values) > 0 && strings.HasPrefix(values[0], format.JSON.MediaType())
}

// IsEvent reports whether, by the headers alone, the message is an event.
func (s Stored) IsEvent() bool {
	return s.structured() || len(s.Header[attributePrefix+"specversion"]) > 0
}

// readBatch is how many messages are on their way to a reader at most, for they may be large.
const readBatch = 4

// Last returns the sequence of the stream's last message.
func (r *Reader) Last(ctx context.Context) (uint64, error) {
	stream, err := r.Conn.js.Stream(ctx, r.Stream)
	if err != nil {
		return 0, fmt.Errorf("stream %s: %w", r.Stream, err)
	}
	return stream.CachedInfo().State.LastSeq, nil
}

// Read calls each for every message until ctx ends or each returns an error, which it returns. It goes on after a lost
// connection where it was.
func (r *Reader) Read(ctx context.Context, each func(Stored) error) error {
	config := jetstream.OrderedConsumerConfig{NamePrefix: r.Conn.consumerName(), FilterSubjects: r.Subjects, DeliverPolicy: jetstream.DeliverNewPolicy}
	switch {
	case r.From > 0:
		config.DeliverPolicy, config.OptStartSeq = jetstream.DeliverByStartSequencePolicy, r.From
	case !r.Since.IsZero() && len(r.Subjects) > 1:
		first, err := r.Conn.sequenceAt(ctx, r.Stream, r.Since)
		if err != nil {
			return fmt.Errorf("read stream %s: %w", r.Stream, err)
		}
		config.DeliverPolicy, config.OptStartSeq = jetstream.DeliverByStartSequencePolicy, first
	case !r.Since.IsZero():
		config.DeliverPolicy, config.OptStartTime = jetstream.DeliverByStartTimePolicy, &r.Since
	}
	consumer, err := r.Conn.js.OrderedConsumer(ctx, r.Stream, config)
	if err != nil {
		return fmt.Errorf("read stream %s: %w", r.Stream, err)
	}
	messages, err := consumer.Messages(jetstream.PullMaxMessages(readBatch))
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
		stored := Stored{Subject: msg.Subject(), Header: msg.Headers(), Data: msg.Data()}
		if meta, err := msg.Metadata(); err == nil {
			stored.Sequence, stored.At, stored.Pending = meta.Sequence.Stream, meta.Timestamp, meta.NumPending
		}
		if err := each(stored); err != nil {
			return err
		}
	}
}
