package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"hash/fnv"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// partition is a part of the records, by a hash of their partitionkey. It has a durable consumer, which all workers share: the server
// delivers its next event, to any of them, when the last one is acknowledged.
type partition struct {
	number, of             int
	stream, subject, group string
	done                   *book
	again                  bool // it reads what a replay re-delivers
}

// name is that of the partition's consumer. Another number of partitions divides the records differently, so it has other consumers.
func (p partition) name() string { return fmt.Sprintf("%s-%d-of-%d", p.group, p.number, p.of) }

// replays is the partition as it reads what its consumer gave up on: "crm-bridge replay --dead NAME --to subject" re-delivers it on
// subjects with that name, in a stream of their own. It is not in the order of the live events.
func (p partition) replays() partition {
	prefix, rest, _ := strings.Cut(p.subject, ".")
	p.stream, p.subject, p.again = p.stream+"_REPLAY", prefix+"-replay."+p.name()+"."+rest, true
	return p
}

// consume handles the events of the partition that this worker gets, until ctx ends or something fails.
func (p partition) consume(ctx context.Context, js jetstream.JetStream) error {
	consumer, err := js.CreateOrUpdateConsumer(ctx, p.stream, jetstream.ConsumerConfig{
		Durable: p.name(), FilterSubject: p.subject, AckPolicy: jetstream.AckExplicitPolicy,
		MaxAckPending: 1, // strictly in order
		// If a worker dies, the event that it had goes to another one after this time, so it must be longer than the work for one event.
		AckWait: 10 * time.Second,
	})
	if err != nil {
		return err
	}
	messages, err := consumer.Messages(jetstream.PullMaxMessages(1), jetstream.PullExpiry(10*time.Second), jetstream.PullHeartbeat(2*time.Second))
	if err != nil {
		return err
	}
	defer messages.Stop()
	defer context.AfterFunc(ctx, messages.Drain)() // at SIGTERM: no new event; the one already received is handled
	for {
		msg, err := messages.Next()
		if err != nil {
			return err
		}
		if err := p.handle(msg); err != nil {
			return err
		}
	}
}

// handle does the work for an event of the partition, and skips one of another.
func (p partition) handle(msg jetstream.Msg) error {
	e, err := read(msg)
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s is skipped: %v\n", msg.Subject(), err)
		return msg.TermWithReason("not understood") // redelivery would not help
	}
	if p.has(e.PartitionKey) {
		news, err := p.done.handle(e)
		if err != nil {
			return err
		}
		word := "handled"
		if !news {
			word = "known"
		} else if p.again {
			word = "again"
		}
		fmt.Printf("%-8s partition %d  sequence %d  %s\n", word, p.number, e.Sequence, e.PartitionKey)
	}
	return msg.Ack() // after the work, not before it: if this is lost the event is redelivered, and its id is known
}

// has reports whether the events of a key belong to the partition. Events without a key, from before BRIDGE_EVENT_PER=record, are all in
// one.
func (p partition) has(key string) bool {
	hash := fnv.New32a()
	_, _ = hash.Write([]byte(key))
	return int(hash.Sum32())%p.of == p.number
}

// event is the part of an event that the workers need.
type event struct {
	ID           string          `json:"id"`
	PartitionKey string          `json:"partitionkey"`
	Data         json.RawMessage `json:"data"` // for your work; the JSON Schema in dataschema describes it
	Sequence     uint64          `json:"-"`
}

// read reads an event in either content mode (BRIDGE_EVENT_MODE). Header names are in lower case.
func read(msg jetstream.Msg) (e event, err error) {
	meta, err := msg.Metadata()
	if err != nil {
		return e, err
	}
	if headers := msg.Headers(); strings.HasPrefix(headers.Get("content-type"), "application/cloudevents+json") {
		err = json.Unmarshal(msg.Data(), &e)
	} else { // binary: the attributes are headers, the message is the data
		e.Data = msg.Data()
		e.ID, err = attribute(headers, "ce-id")
		if err == nil {
			e.PartitionKey, err = attribute(headers, "ce-partitionkey")
		}
	}
	if err == nil && e.ID == "" {
		err = errors.New("not a CloudEvent")
	}
	e.Sequence = meta.Sequence.Stream
	if live, failed := strconv.ParseUint(msg.Headers().Get("crm-replay-sequence"), 10, 64); failed == nil { // it is replayed
		e.Sequence = live
	}
	return e, err
}

func attribute(headers nats.Header, name string) (string, error) {
	return url.PathUnescape(headers.Get(name))
}
