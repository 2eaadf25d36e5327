package test

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// stored is an event in the stream.
type stored struct {
	subject  string
	sequence uint64
	header   nats.Header
	text     []byte

	id   string
	time time.Time
	data struct {
		Operation string
		IDs       []string
		Fields    map[string][]string
		Values    map[string]map[string]any
	}
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
		meta, err := msg.Metadata()
		if err != nil {
			t.Fatal(err)
		}
		all[i] = stored{subject: msg.Subject(), sequence: meta.Sequence.Stream, header: msg.Headers(), text: msg.Data()}
		all[i].read(t)
	}
	return all
}

// read decodes the event independently of the examples.
func (s *stored) read(t *testing.T) {
	t.Helper()
	data := json.RawMessage(s.text)
	at := s.header.Get("ce-time")
	if s.id = s.header.Get("ce-id"); s.id == "" {
		var event struct {
			ID, Time string
			Data     json.RawMessage
		}
		if err := json.Unmarshal(s.text, &event); err != nil {
			t.Fatal(err)
		}
		s.id, at, data = event.ID, event.Time, event.Data
	}
	var err error
	if s.time, err = time.Parse(time.RFC3339Nano, at); err != nil {
		t.Fatal(err)
	}
	exact(t, data, &s.data)
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

// deal is a deal in the table.
type deal struct {
	ID      string
	Changed time.Time
	Values  map[string]any
	Unknown []string
}

// unknown is a value that was changed, but not reported.
const unknown = unknownValue("")

type unknownValue string

// deals returns the table of all events, applied in order of their time.
func deals(all []stored) []deal {
	all = slices.SortedStableFunc(slices.Values(all), func(a, b stored) int { return a.time.Compare(b.time) })
	now := map[string]deal{}
	for _, e := range all {
		if !strings.HasPrefix(e.subject, "crm.zoho.Deals.") {
			continue
		}
		for _, id := range e.data.IDs {
			if e.data.Operation == "delete" {
				delete(now, id)
				continue
			}
			d, ok := now[id]
			if !ok {
				d = deal{ID: id, Values: map[string]any{}}
			}
			d.Changed = e.time
			for _, field := range e.data.Fields[id] {
				value, reported := e.data.Values[id][field]
				if d.Values[field] = value; !reported {
					d.Values[field] = unknown
				}
			}
			now[id] = d
		}
	}
	for id, d := range now {
		for field, value := range d.Values {
			if value == unknown {
				delete(d.Values, field)
				d.Unknown = append(d.Unknown, field)
			}
		}
		slices.Sort(d.Unknown)
		now[id] = d
	}
	return slices.SortedFunc(maps.Values(now), func(a, b deal) int { return strings.Compare(a.ID, b.ID) })
}
