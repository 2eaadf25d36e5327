package e2e

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/cloudevents/sdk-go/v2/event"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/crm-bridge/crm-bridge/schemas"
)

// What stands between "doc" and "end" here is what docs/consuming.md shows.

// doc: open

// openBilling returns the durable consumer of the job "billing". The first start creates it, beginning with the first event
// that was stored at since or later; every later start resumes it.
func openBilling(ctx context.Context, js jetstream.JetStream, since time.Time) (jetstream.Consumer, error) {
	billing, err := js.Consumer(ctx, "CRM", "billing")
	if !errors.Is(err, jetstream.ErrConsumerNotFound) {
		return billing, err
	}
	first, err := sequenceAt(ctx, js, since)
	if err != nil {
		return nil, err
	}
	return js.CreateConsumer(ctx, "CRM", jetstream.ConsumerConfig{
		Durable:        "billing",
		FilterSubjects: []string{"crm.zoho.Deals.*", "crm.zoho.Contacts.edit"},
		DeliverPolicy:  jetstream.DeliverByStartSequencePolicy,
		OptStartSeq:    first,
		AckPolicy:      jetstream.AckExplicitPolicy,
		MaxAckPending:  1, // strictly in order, see below
	})
}

// sequenceAt returns the sequence of the first event that was stored at a time or later.
func sequenceAt(ctx context.Context, js jetstream.JetStream, at time.Time) (uint64, error) {
	probe, err := js.CreateConsumer(ctx, "CRM", jetstream.ConsumerConfig{
		DeliverPolicy: jetstream.DeliverByStartTimePolicy, OptStartTime: &at, MemoryStorage: true, InactiveThreshold: time.Minute,
	})
	if err != nil {
		return 0, err
	}
	info := probe.CachedInfo()
	return info.Delivered.Stream + 1, js.DeleteConsumer(ctx, "CRM", info.Name)
}

// end: open

// doc: beside

// readBeside passes the stored events since a time to old, in a goroutine, and returns the consumer of all later events: each
// event is in exactly one of the two.
func readBeside(ctx context.Context, js jetstream.JetStream, since time.Time, old func(jetstream.Msg)) (jetstream.Consumer, error) {
	stream, err := js.Stream(ctx, "CRM")
	if err != nil {
		return nil, err
	}
	seam := stream.CachedInfo().State.LastSeq
	live, err := stream.CreateConsumer(ctx, jetstream.ConsumerConfig{
		Durable: "billing", DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: seam + 1,
	})
	if err != nil {
		return nil, err
	}
	history, err := stream.CreateConsumer(ctx, jetstream.ConsumerConfig{
		Durable: "billing-history", DeliverPolicy: jetstream.DeliverByStartTimePolicy, OptStartTime: &since,
	})
	if err != nil {
		return nil, err
	}
	go func() { // beside the live one, however long it takes
		for left := history.CachedInfo().NumPending; left > 0; left-- {
			msg, err := history.Next(jetstream.FetchMaxWait(time.Minute))
			if err != nil {
				return // resume billing-history
			}
			if meta, err := msg.Metadata(); err != nil || meta.Sequence.Stream > seam {
				break
			}
			old(msg)
		}
		_ = stream.DeleteConsumer(ctx, "billing-history")
	}()
	return live, nil
}

// end: beside

// doc: take

// take handles one delivery of an event: the event may be redelivered, its effect is not repeated.
func (b *books) take(msg jetstream.Msg) {
	meta, err := msg.Metadata()
	if err != nil {
		return // not from a stream
	}
	var e event.Event // github.com/cloudevents/sdk-go/v2/event
	if err = json.Unmarshal(msg.Data(), &e); err == nil {
		err = b.once(e.ID(), func() error { return b.apply(e) })
	}
	switch {
	case err == nil:
		_ = msg.Ack() // if it is lost, the event is redelivered, and once recognizes it
	case meta.NumDelivered < 5:
		_ = msg.NakWithDelay(time.Duration(meta.NumDelivered) * b.patience)
	default: // give up: set it aside for a person, and continue
		if b.setAside(msg.Data(), err) == nil {
			_ = msg.Term()
		}
	}
}

// end: take

// doc: read

// read passes each delivery to take until the returned context is stopped. A pull request that was lost on a starting server is
// repeated after two heartbeats: four seconds, where the default is thirty.
func (b *books) read(billing jetstream.Consumer) (jetstream.ConsumeContext, error) {
	return billing.Consume(b.take, jetstream.PullExpiry(10*time.Second), jetstream.PullHeartbeat(2*time.Second))
}

// end: read

// doc: missed

// missed returns how many events expired from the stream before the consumer read them, on any subject.
func missed(ctx context.Context, stream jetstream.Stream, consumer jetstream.Consumer) (uint64, error) {
	info, err := consumer.Info(ctx)
	if err != nil {
		return 0, err
	}
	streamInfo, err := stream.Info(ctx)
	if err != nil {
		return 0, err
	}
	if first, next := streamInfo.State.FirstSeq, info.Delivered.Stream+1; first > next {
		return first - next, nil
	}
	return 0, nil
}

// end: missed

// doc: table

// table is a copy of Zoho's deals.
type table struct {
	mu       sync.Mutex
	deals    map[string]json.RawMessage // as they are, by partitionkey
	complete bool                       // every deal was read
}

// follow reads each deal as it is, then every change, until the returned context is stopped.
func (t *table) follow(ctx context.Context, js jetstream.JetStream) (jetstream.ConsumeContext, error) {
	states, err := js.OrderedConsumer(ctx, "CRM_RECORDS", jetstream.OrderedConsumerConfig{
		FilterSubjects: []string{"crm-records.zoho.*.Deals.*"},
		DeliverPolicy:  jetstream.DeliverLastPerSubjectPolicy,
	})
	if err != nil {
		return nil, err
	}
	t.complete = states.CachedInfo().NumPending == 0
	return states.Consume(t.take)
}

// take applies a state of a deal.
func (t *table) take(msg jetstream.Msg) {
	var e schemas.RecordEvent // github.com/crm-bridge/crm-bridge/schemas
	meta, err := msg.Metadata()
	if err != nil || json.Unmarshal(msg.Data(), &e) != nil {
		return // not a state
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if e.Data.After == nil {
		delete(t.deals, e.PartitionKey)
	} else {
		t.deals[e.PartitionKey] = e.Data.After
	}
	t.complete = t.complete || meta.NumPending == 0
}

// end: table

// doc: loops

// rater sets the Rating of each deal, which it computes from its Amount.
type rater struct {
	user  string // the CRM's id of the user as whom this service writes
	rate  func(amount json.Number) string
	write func(id, rating string) error // to the CRM
}

// take handles a deal as it is.
func (r *rater) take(deal schemas.Record) error {
	if deal.After == nil {
		return nil // deleted
	}
	if deal.ChangedBy == r.user && !slices.Contains(deal.Changed, "Amount") {
		return nil // the echo of the write below
	}
	var now struct {
		Amount json.Number
		Rating string
	}
	if err := json.Unmarshal(deal.After, &now); err != nil {
		return err
	}
	if rating := r.rate(now.Amount); rating != now.Rating { // a write without a change would be an event too
		return r.write(deal.ID, rating)
	}
	return nil
}

// end: loops
