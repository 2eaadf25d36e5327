package consumers_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/crm-bridge/crm-bridge/publish/consumers"
)

// newest checks the sequences of what a consumer gave up on last, and whether there are others.
func (h *house) newest(consumer string, most int, want ...uint64) (all []consumers.DeadLetter) {
	h.Helper()
	all, more, err := h.list.Newest(h.Context(), "CRM", consumer, most)
	if err != nil {
		h.Fatal(err)
	}
	var got []uint64
	for _, one := range all {
		got = append(got, one.Sequence)
	}
	if wantMore := len(want) == most; fmt.Sprint(got) != fmt.Sprint(want) || more != wantMore {
		h.Errorf("of %s the newest %d are %v, more %v", consumer, most, got, more)
	}
	return all
}

// The newest of a consumer are found at the end of the list and at its start, of both kinds, however many others there are.
func TestNewest(t *testing.T) {
	t.Parallel()
	h := open(t)
	h.publish(1, 30)
	config := jetstream.ConsumerConfig{Durable: "billing", MaxDeliver: 1, AckWait: 100 * time.Millisecond, MaxAckPending: 1}
	early := h.consume(jetstream.ConsumerConfig{Durable: "early"})
	h.term(early, 2)
	h.dead("early", 2)
	busy := h.consume(jetstream.ConsumerConfig{Durable: "busy"})
	h.term(busy, 30)
	h.dead("busy", 30)
	billing := h.consume(config)
	h.fetch(billing, 1) // it is sent once, and not acknowledged
	h.dead("billing", 1)
	h.term(billing, 1)
	h.dead("billing", 2)

	h.newest("early", 5, 2, 1)
	h.newest("early", 1, 2)
	h.newest("busy", 3, 30, 29, 28)
	both := h.newest("billing", 5, 2, 1)
	if both[0].Reason != "terminated" || both[1].Reason != "max deliveries" || both[0].EventID != "event-2" {
		t.Errorf("%+v", both)
	}
	h.newest("none", 5)
	h.replayed(h.of("billing"))
	if all := h.newest("billing", 5, 2, 1); all[0].ReplayedAt == nil {
		t.Errorf("%+v", all)
	}
}
