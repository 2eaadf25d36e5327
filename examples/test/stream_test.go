package test

import (
	"bytes"
	"encoding/json"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// stored is an event in the stream.
type stored struct {
	subject string
	id      string
}

func jetStream(t *testing.T, url string, options ...nats.Option) jetstream.JetStream {
	t.Helper()
	nc, err := nats.Connect(url, options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	return js
}

// history reads all events of the stream.
func history(t *testing.T, js jetstream.JetStream) []stored {
	t.Helper()
	consumer, err := js.CreateConsumer(t.Context(), "CRM", jetstream.ConsumerConfig{AckPolicy: jetstream.AckNonePolicy})
	if err != nil {
		t.Fatal(err)
	}
	messages, err := consumer.Messages()
	if err != nil {
		t.Fatal(err)
	}
	defer messages.Stop()
	all := make([]stored, consumer.CachedInfo().NumPending)
	for i := range all {
		msg, err := messages.Next(jetstream.NextMaxWait(20 * time.Second))
		if err != nil {
			t.Fatal(err)
		}
		all[i] = read(t, msg)
	}
	return all
}

// read decodes the event independently of the examples.
func read(t *testing.T, msg jetstream.Msg) stored {
	t.Helper()
	s := stored{subject: msg.Subject(), id: msg.Headers().Get("ce-id")}
	if s.id == "" {
		var event struct{ ID string }
		if err := json.Unmarshal(msg.Data(), &event); err != nil {
			t.Fatal(err)
		}
		s.id = event.ID
	}
	return s
}

// exact decodes JSON with every digit of its numbers.
func exact(t *testing.T, text []byte, into any) {
	t.Helper()
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	if err := decoder.Decode(into); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
}
