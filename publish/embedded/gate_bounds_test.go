package embedded_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/crm-bridge/crm-bridge/publish"
	"github.com/crm-bridge/crm-bridge/test/publishtest"
)

// A request that cannot be parsed, is too large or contradicts itself is answered with JetStream's own error.
func TestRequestsThatCannotBeServed(t *testing.T) {
	t.Parallel()
	server, conn := publishtest.Open(t, nil)
	publishEvents(t, conn, 2)
	nc, _ := publishtest.Connect(t, server)
	for name, c := range map[string]struct {
		subject, body string
		code          jetstream.ErrorCode
	}{
		"nothing":           {"CONSUMER.CREATE.CRM.a", "", 10056}, // the stream is not named
		"garbage":           {"CONSUMER.CREATE.CRM.a", "\x00{{{", 10025},
		"another type":      {"CONSUMER.CREATE.CRM.a", `{"stream_name":"CRM","config":{"max_deliver":"x"}}`, 10025},
		"another stream":    {"CONSUMER.CREATE.CRM.a", `{"stream_name":"CRM_QUARANTINE","config":{}}`, 10056},
		"another name":      {"CONSUMER.DURABLE.CREATE.CRM.a", `{"stream_name":"CRM","config":{"durable_name":"b"}}`, 10017},
		"no name":           {"CONSUMER.DURABLE.CREATE.CRM.a", `{"stream_name":"CRM","config":{}}`, 10018},
		"another filter":    {"CONSUMER.CREATE.CRM.a.crm.acme.>", `{"stream_name":"CRM","config":{"filter_subject":"crm.>"}}`, 10131},
		"there is none":     {"CONSUMER.CREATE.CRM.a", `{"stream_name":"CRM","config":{"durable_name":"a"},"action":"update"}`, 10149},
		"huge":              {"CONSUMER.CREATE.CRM.a", strings.Repeat("x", 900<<10), 10003},
		"larger than asked": {"STREAM.INFO.CRM", `{"subjects_filter":"` + strings.Repeat("x", 20<<10) + `"}`, 10003},
		"no object":         {"STREAM.INFO.CRM", `[1]`, 10025},
		"no consumer":       {"CONSUMER.INFO.CRM.a", "", 10014},
		"no reset":          {"CONSUMER.RESET.CRM.a", `{"seq":1}`, 10014},
		"metadata":          {"CONSUMER.CREATE.CRM.a", `{"stream_name":"CRM","config":{"metadata":{"x":"` + strings.Repeat("x", 5<<10) + `"}}}`, 10003},
		"configuration":     {"CONSUMER.CREATE.CRM.a", `{"stream_name":"CRM","config":{"description":"` + strings.Repeat("x", 9<<10) + `"}}`, 10003},
		"waiting":           {"CONSUMER.CREATE.CRM.a", `{"stream_name":"CRM","config":{"max_waiting":100000}}`, 10003},
		"direct":            {"CONSUMER.CREATE.CRM.a", `{"stream_name":"CRM","config":{"direct":true}}`, 10003},
		"sourcing":          {"CONSUMER.CREATE.CRM.a", `{"stream_name":"CRM","config":{"sourcing":true}}`, 10003},
	} {
		if failed := ask(t, nc, "$JS.API."+c.subject, c.body); failed == nil || failed.ErrorCode != c.code {
			t.Errorf("%s: %v", name, failed)
		}
	}
	// Headers, and an unknown member, do no harm.
	create := &nats.Msg{Subject: "$JS.API.CONSUMER.CREATE.CRM.b", Header: nats.Header{"Nats-Msg-Id": {"x"}, "Nats-Expected-Stream": {"y"}}, Data: []byte(`{"stream_name":"CRM","new":1,"config":{"newer":[1],"ack_policy":"explicit","max_ack_pending":-1}}`)}
	if _, err := nc.RequestMsg(create, 3*time.Second); err != nil {
		t.Error(err)
	}
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	consumer, err := js.Consumer(t.Context(), "CRM", "b")
	if err != nil {
		t.Fatal(err)
	}
	if most := consumer.CachedInfo().Config.MaxAckPending; most != 65536 {
		t.Errorf("%d messages may wait for their acknowledgement", most)
	}
	required := &nats.Msg{Subject: "$JS.API.CONSUMER.CREATE.CRM.c", Header: nats.Header{"Nats-Required-Api-Level": {"99"}}, Data: []byte(`{"stream_name":"CRM","config":{}}`)}
	if reply, err := nc.RequestMsg(required, 3*time.Second); err != nil || !strings.Contains(string(reply.Data), "10185") {
		t.Errorf("a level that no server has: %s, %v", reply.Data, err)
	}
}

// The consumers of readers on a stream are limited. At the limit existing ones can still be changed, and the bridge can still add its own.
func TestManyConsumers(t *testing.T) {
	t.Parallel()
	server, conn := publishtest.Open(t, nil)
	publishEvents(t, conn, 2)
	nc, js := publishtest.Connect(t, server)
	for i := range 1000 {
		body := fmt.Sprintf(`{"stream_name":"CRM","config":{"name":"c%d","mem_storage":true,"inactive_threshold":60000000000}}`, i)
		if failed := ask(t, nc, fmt.Sprint("$JS.API.CONSUMER.CREATE.CRM.c", i), body); failed != nil {
			t.Fatalf("consumer %d: %v", i, failed)
		}
	}
	for subject, body := range map[string]string{
		"$JS.API.CONSUMER.CREATE.CRM.more": `{"stream_name":"CRM","config":{"name":"more"}}`,
		"$JS.API.CONSUMER.CREATE.CRM":      `{"stream_name":"CRM","config":{}}`,
	} {
		if failed := ask(t, nc, subject, body); failed == nil || failed.ErrorCode != 10026 {
			t.Errorf("one more: %v", failed)
		}
	}
	if _, err := js.UpdateConsumer(t.Context(), "CRM", jetstream.ConsumerConfig{Name: "c1", Description: "changed", AckPolicy: jetstream.AckNonePolicy, MemoryStorage: true, InactiveThreshold: time.Minute}); err != nil {
		t.Errorf("one that is there: %v", err)
	}
	span, err := conn.OpenSpan(t.Context(), "CRM", nil, publish.Bounds{})
	if err != nil {
		t.Fatal(err)
	}
	read := 0
	if err := span.Each(t.Context(), func(publish.Stored) error { read++; return nil }); err != nil || read != 2 {
		t.Errorf("the bridge reads %d events: %v", read, err)
	}
}

// The consumers of the bridge's own commands have names that readers cannot use.
func TestOwnConsumersAreReserved(t *testing.T) {
	t.Parallel()
	server, conn := publishtest.Open(t, nil)
	publishEvents(t, conn, 1)
	_, js := publishtest.Connect(t, server)
	stream, err := js.Stream(t.Context(), "CRM")
	if err != nil {
		t.Fatal(err)
	}
	reserved := func(reader string) {
		t.Helper()
		found := false
		for name := range stream.ConsumerNames(t.Context()).Name() {
			found = true
			if !strings.HasPrefix(name, "crm-bridge-") {
				t.Errorf("%s reads with consumer %s", reader, name)
			}
		}
		if !found {
			t.Errorf("%s reads with no consumer", reader)
		}
	}
	enough := errors.New("enough")
	address := publish.Address{URL: server.ClientURL(), Owner: true, Password: publishtest.Password}
	follower := &publish.Follower{Reach: func(ctx context.Context) (*publish.Conn, error) { return address.Reach(ctx, publishtest.Log) }, Stream: "CRM", Since: time.Now().Add(-time.Hour), Lost: func(error) {}, Back: func(string) {}}
	if err := follower.Follow(t.Context(), func(publish.Stored) error { reserved("a follower"); return enough }); !errors.Is(err, enough) {
		t.Error(err)
	}
	span, err := conn.OpenSpan(t.Context(), "CRM", nil, publish.Bounds{})
	if err != nil {
		t.Fatal(err)
	}
	if err := span.Each(t.Context(), func(publish.Stored) error { reserved("a span"); return enough }); !errors.Is(err, enough) {
		t.Error(err)
	}
}

// A pull request to a missing consumer ends at once, as if there were no responder.
func TestPullFromNoConsumer(t *testing.T) {
	t.Parallel()
	server, conn := publishtest.Open(t, nil)
	publishEvents(t, conn, 3)
	_, js := publishtest.Connect(t, server)
	consumer, err := js.CreateConsumer(t.Context(), "CRM", jetstream.ConsumerConfig{Durable: "gone", AckPolicy: jetstream.AckExplicitPolicy})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := consumer.Next(); err != nil {
		t.Fatal(err)
	}
	if err := js.DeleteConsumer(t.Context(), "CRM", "gone"); err != nil {
		t.Fatal(err)
	}
	for _, batch := range []int{1, 100} {
		messages, err := consumer.Fetch(batch, jetstream.FetchMaxWait(20*time.Second))
		if err != nil {
			t.Fatal(err)
		}
		begun := time.Now()
		for range messages.Messages() {
			t.Error("a message")
		}
		if err := messages.Error(); !errors.Is(err, nats.ErrNoResponders) || time.Since(begun) > 5*time.Second {
			t.Errorf("%d messages: %v after %s", batch, err, time.Since(begun))
		}
	}
}

// A fetch from a small stream gets as many messages as it requests in one go, even on a busy machine.
func TestFetchOfASmallStream(t *testing.T) {
	t.Parallel()
	server, conn := publishtest.Open(t, nil)
	const events = 2000
	publishEvents(t, conn, events)
	_, js := publishtest.Connect(t, server)
	for range 3 {
		consumer, err := js.CreateConsumer(t.Context(), "CRM", jetstream.ConsumerConfig{AckPolicy: jetstream.AckNonePolicy})
		if err != nil {
			t.Fatal(err)
		}
		batch, err := consumer.Fetch(events, jetstream.FetchMaxWait(20*time.Second))
		if err != nil {
			t.Fatal(err)
		}
		got := 0
		for range batch.Messages() {
			got++
		}
		if got != events || batch.Error() != nil {
			t.Errorf("a fetch brought %d of %d events: %v", got, events, batch.Error())
		}
	}
}
