package consumers_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/crm-bridge/crm-bridge/publish/consumers"
)

func asJSON(t *testing.T, value any) string {
	t.Helper()
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// What a consumer has been sent as often as it may be, and what it terminates, is listed with the reason and the event.
func TestGivenUpIsListed(t *testing.T) {
	t.Parallel()
	h := open(t)
	h.publish(1, 3)
	billing := h.consume(jetstream.ConsumerConfig{Durable: "billing", MaxDeliver: 2, AckWait: 100 * time.Millisecond})
	h.consume(jetstream.ConsumerConfig{Durable: "search"})
	got := h.fetch(billing, 3)
	if err := got[1].TermWithReason("no such customer"); err != nil {
		t.Fatal(err)
	}
	if err := got[2].DoubleAck(t.Context()); err != nil {
		t.Fatal(err)
	}
	h.fetch(billing, 1) // the second and last time
	h.fetch(billing, 1)
	dead := h.dead("billing", 2)
	terminated, exhausted := dead[0], dead[1]
	if terminated.Reason != "terminated: no such customer" || terminated.Sequence != 2 || terminated.EventID != "event-2" || terminated.Subject != "crm.acme.Deals.edit" || terminated.Deliveries != 1 {
		t.Errorf("%+v", terminated)
	}
	if exhausted.Reason != "max deliveries" || exhausted.Sequence != 1 || exhausted.EventID != "event-1" || exhausted.Deliveries != 2 || exhausted.Stream != "CRM" || exhausted.Consumer != "billing" {
		t.Errorf("%+v", exhausted)
	}
	if other := h.dead("search", 0); len(other) > 0 {
		t.Errorf("%v", other)
	}
	h.counts(map[string]uint64{"billing": 2})
}

// counts checks how many entries each consumer has.
func (h *house) counts(want map[string]uint64) {
	h.Helper()
	counts, err := h.list.Counts(h.Context())
	if err != nil {
		h.Fatal(err)
	}
	got := map[string]uint64{}
	for _, one := range counts {
		got[one.Consumer] = one.Dead
	}
	if asJSON(h.T, got) != asJSON(h.T, want) {
		h.Errorf("the counts are %v, not %v", got, want)
	}
}

// term has a consumer terminate its next n messages.
func (h *house) term(consumer jetstream.Consumer, n int) {
	h.Helper()
	for _, m := range h.fetch(consumer, n) {
		if err := m.Term(); err != nil {
			h.Fatal(err)
		}
	}
}

// What a replay has re-delivered stays listed, and does not count, until the consumer gives up on it again.
func TestReplayedStaysListed(t *testing.T) {
	t.Parallel()
	h := open(t)
	h.publish(1, 3)
	billing := h.consume(jetstream.ConsumerConfig{Durable: "billing"})
	h.term(billing, 3)
	h.dead("billing", 3)
	given, err := h.list.Of(t.Context(), "CRM", "billing")
	if err != nil {
		t.Fatal(err)
	}
	at := time.Now()
	if err := h.list.Replayed(t.Context(), given[:2], at); err != nil {
		t.Fatal(err)
	}
	dead := h.dead("billing", 3)
	if dead[0].ReplayedAt == nil || !dead[0].ReplayedAt.Equal(at) || dead[1].ReplayedAt == nil || dead[2].ReplayedAt != nil {
		t.Errorf("%+v", dead)
	}
	h.counts(map[string]uint64{"billing": 1})

	if _, err := consumers.Reset(t.Context(), h.conn, "CRM", "billing", consumers.Target{First: true}); err != nil {
		t.Fatal(err)
	}
	h.term(billing, 1)
	for deadline := time.Now().Add(10 * time.Second); h.dead("billing", 3)[2].Sequence != 1 && time.Now().Before(deadline); {
		time.Sleep(10 * time.Millisecond)
	}
	if again := h.dead("billing", 3)[2]; again.Sequence != 1 || again.ReplayedAt != nil {
		t.Errorf("it gave up on the first again: %+v", again)
	}
	h.counts(map[string]uint64{"billing": 2})

	given, err = h.list.Of(t.Context(), "CRM", "billing")
	if err != nil {
		t.Fatal(err)
	}
	if err := h.list.Replayed(t.Context(), given[:1], time.Now()); err != nil {
		t.Fatal(err)
	}
	h.counts(map[string]uint64{"billing": 1}) // the third is still to be re-delivered
}

// Clearing the list of a consumer removes its entries alone, and not what it gives up on later.
func TestClear(t *testing.T) {
	t.Parallel()
	h := open(t)
	h.publish(1, 2)
	billing, search := h.consume(jetstream.ConsumerConfig{Durable: "billing"}), h.consume(jetstream.ConsumerConfig{Durable: "search"})
	h.term(billing, 2)
	h.term(search, 1)
	h.dead("billing", 2)
	h.dead("search", 1)
	given, err := h.list.Of(t.Context(), "", "billing")
	if err != nil {
		t.Fatal(err)
	}
	if err := h.list.Replayed(t.Context(), given, time.Now()); err != nil {
		t.Fatal(err)
	}
	h.publish(3, 3)
	h.term(billing, 1)
	h.dead("billing", 3)
	if err := h.list.Clear(t.Context(), given); err != nil {
		t.Fatal(err)
	}
	if left := h.dead("billing", 1); left[0].Sequence != 3 {
		t.Errorf("%+v", left)
	}
	h.dead("search", 1)
	h.counts(map[string]uint64{"billing": 1, "search": 1})
}

// A message that has left its stream stays listed, without its subject.
func TestGoneMessageStaysListed(t *testing.T) {
	t.Parallel()
	h := open(t)
	h.publish(1, 1)
	h.term(h.consume(jetstream.ConsumerConfig{Durable: "billing"}), 1)
	h.dead("billing", 1)
	if err := h.conn.Erase(t.Context(), "CRM", 1); err != nil {
		t.Fatal(err)
	}
	if left := h.dead("billing", 1)[0]; left.Subject != "" || left.EventID != "" || left.Sequence != 1 {
		t.Errorf("%+v", left)
	}
}

// Without its stream there is no list, and the error says so.
func TestNoList(t *testing.T) {
	t.Parallel()
	h := open(t)
	if err := h.conn.JetStream().DeleteStream(t.Context(), "CRM_DEAD"); err != nil {
		t.Fatal(err)
	}
	if _, err := h.list.List(t.Context(), "", ""); !errors.Is(err, consumers.ErrNoList) {
		t.Errorf("%v", err)
	}
}

// A reader cannot forge an advisory, and cannot read, change or clear the list.
func TestReadersCannotForgeOrReadTheList(t *testing.T) {
	t.Parallel()
	h := open(t)
	h.publish(1, 1)
	h.term(h.consume(jetstream.ConsumerConfig{Durable: "billing"}), 1)
	h.dead("billing", 1)
	forged := []byte(`{"type":"io.nats.jetstream.advisory.v1.max_deliver","stream":"CRM","consumer":"search","stream_seq":1,"deliveries":1}`)
	for _, advisory := range []string{"MAX_DELIVERIES", "MSG_TERMINATED"} {
		subject := "$JS.EVENT.ADVISORY.CONSUMER." + advisory + ".CRM.search"
		if err := h.nc.Publish(subject, forged); err != nil {
			t.Fatal(err)
		}
		for _, request := range []string{"$JS.API.STREAM.INFO.CRM", "$JS.API.STREAM.MSG.GET.CRM", "$JS.ACK.CRM.billing.1.1.1.1.1"} {
			if err := h.nc.PublishRequest(request, subject, []byte(`{"seq":1}`)); err != nil {
				t.Fatal(err)
			}
		}
	}
	for request, body := range map[string]string{
		"$JS.API.STREAM.INFO.CRM_DEAD": "", "$JS.API.STREAM.MSG.GET.CRM_DEAD": `{"seq":1}`, "$JS.API.DIRECT.GET.CRM_DEAD": `{"seq":1}`,
		"$JS.API.CONSUMER.CREATE.CRM_DEAD": `{"stream_name":"CRM_DEAD","config":{}}`, "$JS.API.STREAM.PURGE.CRM_DEAD": "", "$JS.API.CONSUMER.LIST.CRM_DEAD": "",
	} {
		answer, err := h.nc.Request(request, []byte(body), 5*time.Second)
		if err != nil || !strings.Contains(string(answer.Data), `"code":403`) {
			t.Errorf("%s is answered with %v, %v", request, answer, err)
		}
	}
	if sub, err := h.nc.SubscribeSync("$JS.EVENT.ADVISORY.>"); err == nil {
		h.term(h.consume(jetstream.ConsumerConfig{Durable: "other"}), 1)
		if m, err := sub.NextMsg(300 * time.Millisecond); err == nil {
			t.Errorf("a reader receives %s", m.Subject)
		}
	}
	h.dead("search", 0)
	h.dead("billing", 1)
}
