package consumers_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/crm-bridge/crm-bridge/publish"
	"github.com/crm-bridge/crm-bridge/publish/consumers"
	"github.com/crm-bridge/crm-bridge/test/publishtest"
)

// A consumer that stops acknowledging is listed with what it holds, what waits, and its last acknowledgement.
func TestStuckConsumerIsListed(t *testing.T) {
	t.Parallel()
	h := open(t)
	h.publish(1, 5)
	billing := h.consume(jetstream.ConsumerConfig{Durable: "billing", Description: "Invoices", FilterSubjects: []string{"crm.acme.Deals.>", "crm.acme.Leads.>"}, MaxDeliver: 3})
	h.consume(jetstream.ConsumerConfig{Name: "passing", InactiveThreshold: time.Minute, AckPolicy: jetstream.AckNonePolicy})
	got := h.fetch(billing, 3)
	if err := got[0].DoubleAck(h.Context()); err != nil {
		t.Fatal(err)
	}
	one := h.one("billing")
	want := consumers.Consumer{
		Stream: "CRM", Name: "billing", Description: "Invoices", Subjects: []string{"crm.acme.Deals.>", "crm.acme.Leads.>"}, Durable: true, Created: one.Created,
		Lag: 2, AckPending: 2, MaxDeliver: 3, AckPolicy: "explicit",
	}
	if one.Delivered.Sequence != 3 || one.AckFloor.Sequence != 1 || one.AckFloor.At == nil || time.Since(*one.AckFloor.At) > time.Minute {
		t.Errorf("it was sent up to %v, and acknowledged up to %v", one.Delivered, one.AckFloor)
	}
	one.Delivered, one.AckFloor = consumers.Position{}, consumers.Position{}
	if text, wanted := asJSON(t, one), asJSON(t, want); text != wanted {
		t.Errorf("got %s, want %s", text, wanted)
	}
	if passing := h.one("passing"); passing.Durable || passing.AckPolicy != "none" || passing.Own {
		t.Errorf("%+v", passing)
	}
}

// Streams that are not there have no consumers.
func TestMissingStreamHasNoConsumers(t *testing.T) {
	t.Parallel()
	h := open(t)
	h.consume(jetstream.ConsumerConfig{Durable: "billing"})
	all, err := consumers.List(t.Context(), h.conn, "CRM", "CRM_REPLAY", "CRM_QUARANTINE")
	if err != nil || len(all) != 1 {
		t.Errorf("%v, %v", all, err)
	}
}

// A paused consumer is sent nothing until it is resumed, and is otherwise as it was.
func TestPauseAndResume(t *testing.T) {
	t.Parallel()
	h := open(t)
	billing := h.consume(jetstream.ConsumerConfig{Durable: "billing", Metadata: map[string]string{"team": "billing"}, MaxDeliver: 7})
	until := time.Now().Add(time.Hour).UTC()
	paused, err := consumers.Pause(t.Context(), h.conn, "CRM", "billing", until)
	if err != nil || paused.PausedUntil == nil || !paused.PausedUntil.Equal(until) {
		t.Fatalf("%+v, %v", paused, err)
	}
	h.publish(1, 2)
	if batch, err := billing.FetchNoWait(10); err != nil {
		t.Fatal(err)
	} else if m, sent := <-batch.Messages(); sent {
		t.Errorf("it is paused, and is sent %s", m.Subject())
	}
	resumed, err := consumers.Resume(t.Context(), h.conn, "CRM", "billing")
	if err != nil || resumed.PausedUntil != nil || resumed.MaxDeliver != 7 {
		t.Fatalf("%+v, %v", resumed, err)
	}
	if got := h.fetch(billing, 2); len(got) != 2 {
		t.Errorf("it is resumed, and is sent %d messages", len(got))
	}
	info, err := billing.Info(t.Context())
	if err != nil || info.Config.Metadata["team"] != "billing" {
		t.Errorf("its metadata is %v, %v", info.Config.Metadata, err)
	}
}

// A reset consumer reads from the given place, back or forth, and forgets what it had not acknowledged.
func TestReset(t *testing.T) {
	t.Parallel()
	h := open(t)
	h.publish(1, 3)
	time.Sleep(5 * time.Millisecond) // the clock goes on
	later := time.Now()
	h.publish(4, 5)
	billing := h.consume(jetstream.ConsumerConfig{Durable: "billing"})
	h.fetch(billing, 2)
	for name, one := range map[string]struct {
		to    consumers.Target
		first uint64
	}{
		"to a sequence": {consumers.Target{Sequence: 2}, 2},
		"to the first":  {consumers.Target{First: true}, 1},
		"to a time":     {consumers.Target{Time: later}, 4},
	} {
		after, err := consumers.Reset(t.Context(), h.conn, "CRM", "billing", one.to)
		if err != nil || after.AckPending != 0 {
			t.Fatalf("%s: %+v, %v", name, after, err)
		}
		if got := h.fetch(billing, 1); len(got) != 1 || sequence(t, got[0]) != one.first {
			t.Errorf("%s: it is sent %v first", name, got)
		}
	}
}

// A consumer with a start of its own is reset to it at the earliest, and one that began with new messages alone cannot be.
func TestResetWithinItsStart(t *testing.T) {
	t.Parallel()
	h := open(t)
	h.publish(1, 5)
	third := h.consume(jetstream.ConsumerConfig{Durable: "third", DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: 3})
	h.consume(jetstream.ConsumerConfig{Durable: "new", DeliverPolicy: jetstream.DeliverNewPolicy})
	if _, err := consumers.Reset(t.Context(), h.conn, "CRM", "third", consumers.Target{First: true}); err != nil {
		t.Fatal(err)
	}
	if got := h.fetch(third, 1); sequence(t, got[0]) != 3 {
		t.Errorf("it begins with %d", sequence(t, got[0]))
	}
	for _, name := range []string{"new", "third"} {
		if _, err := consumers.Reset(t.Context(), h.conn, "CRM", name, consumers.Target{Sequence: 1}); err == nil || !strings.Contains(err.Error(), "deliver policy") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The bridge's own consumers, and those that do not exist, are refused.
func TestWhatCannotBeChanged(t *testing.T) {
	t.Parallel()
	h := open(t)
	own := jetstream.ConsumerConfig{Durable: publish.OwnConsumers + "records"}
	if _, err := h.conn.JetStream().CreateConsumer(t.Context(), "CRM", own); err != nil {
		t.Fatal(err)
	}
	if !h.one(own.Durable).Own {
		t.Error("it is not listed as the bridge's")
	}
	for name, why := range map[string]error{own.Durable: consumers.ErrOwn, "nobody": consumers.ErrNotFound, "no.body": consumers.ErrNotFound, "": consumers.ErrNotFound} {
		_, paused := consumers.Pause(t.Context(), h.conn, "CRM", name, time.Now().Add(time.Hour))
		_, resumed := consumers.Resume(t.Context(), h.conn, "CRM", name)
		_, reset := consumers.Reset(t.Context(), h.conn, "CRM", name, consumers.Target{First: true})
		for _, err := range []error{paused, resumed, reset} {
			if !errors.Is(err, why) {
				t.Errorf("%q: %v", name, err)
			}
		}
	}
	if h.one(own.Durable).PausedUntil != nil {
		t.Error("it is paused")
	}
}

// A user of a remote NATS who may not list consumers, or not change them, gets an error that names the permission.
func TestRemoteWithoutPermission(t *testing.T) {
	t.Parallel()
	all, some := openRemote(t, "$JS.API.STREAM.INFO.*", "$JS.API.CONSUMER.INFO.>")
	publishtest.EnsureStream(t, all, "CRM", "crm.>")
	if _, err := all.JetStream().CreateConsumer(t.Context(), "CRM", jetstream.ConsumerConfig{Durable: "billing"}); err != nil {
		t.Fatal(err)
	}
	if listed, err := consumers.List(t.Context(), all, "CRM"); err != nil || len(listed) != 1 {
		t.Errorf("%v, %v", listed, err)
	}
	_, err := consumers.List(soon(t), some, "CRM")
	if err == nil || !strings.Contains(err.Error(), "$JS.API.CONSUMER.LIST.CRM") {
		t.Errorf("the list: %v", err)
	}
	_, err = consumers.Pause(soon(t), some, "CRM", "billing", time.Now().Add(time.Hour))
	if err == nil || !strings.Contains(err.Error(), "$JS.API.CONSUMER.PAUSE.CRM.billing") {
		t.Errorf("the pause: %v", err)
	}
	_, err = consumers.Reset(soon(t), some, "CRM", "billing", consumers.Target{Sequence: 1})
	if err == nil || !strings.Contains(err.Error(), "$JS.API.CONSUMER.RESET.CRM.billing") {
		t.Errorf("the reset: %v", err)
	}
}
