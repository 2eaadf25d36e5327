package transfer_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/crm-bridge/crm-bridge/publish"
	"github.com/crm-bridge/crm-bridge/publish/transfer"
	"github.com/crm-bridge/crm-bridge/test/publishtest"
)

// benchEvents is how many events of half a kilobyte an iteration copies.
const benchEvents = 200_000

// A copy is compared with the loop that a person would write: read with a consumer, publish without waiting, and compare nothing.
func BenchmarkCopy(b *testing.B) {
	_, from := publishtest.Open(b, nil)
	for i := range benchEvents {
		msg := &nats.Msg{Subject: "crm.acme.Deals.edit", Header: nats.Header{"content-type": {"application/cloudevents+json"}}, Data: fmt.Appendf(nil, `{"n":%d,"more":"%s"}`, i, strings.Repeat("x", 480))}
		if _, err := from.JetStream().PublishMsgAsync(msg, jetstream.WithStallWait(time.Minute)); err != nil {
			b.Fatal(err)
		}
	}
	<-from.JetStream().PublishAsyncComplete()
	for b.Loop() {
		b.StopTimer()
		_, target := publishtest.Open(b, nil)
		_, bare := publishtest.Open(b, nil)
		note, err := transfer.ReadNote(b.Context(), bucket(target))
		if err != nil {
			b.Fatal(err)
		}
		copied := time.Time{}
		r := &transfer.Run{
			Copy: &transfer.Copy{From: from, To: target, Note: note, Gap: gap, Patience: time.Minute}, Ended: true,
			State: transfer.State{From: bucket(from), To: bucket(target)}, Warn: func(string) {}, Copied: func() { copied = time.Now() },
		}
		b.StartTimer()
		began := time.Now()
		if result, err := r.Do(b.Context(), streams()[:1]); err != nil || result.Parts[0].Equal != benchEvents {
			b.Fatalf("%+v, %v", result, err)
		}
		compared := time.Now()
		copyBare(b, from, bare)
		plain := time.Since(compared)
		b.ReportMetric(benchEvents/copied.Sub(began).Seconds(), "copied/s")
		b.ReportMetric(benchEvents/compared.Sub(copied).Seconds(), "compared/s")
		b.ReportMetric(plain.Seconds()/copied.Sub(began).Seconds(), "of-bare")
	}
}

func copyBare(b *testing.B, from, to *publish.Conn) {
	b.Helper()
	consumer, err := from.JetStream().OrderedConsumer(b.Context(), "CRM", jetstream.OrderedConsumerConfig{})
	if err != nil {
		b.Fatal(err)
	}
	messages, err := consumer.Messages()
	if err != nil {
		b.Fatal(err)
	}
	defer messages.Stop()
	for range benchEvents {
		msg, err := messages.Next()
		if err == nil {
			_, err = to.JetStream().PublishMsgAsync(&nats.Msg{Subject: msg.Subject(), Header: msg.Headers(), Data: msg.Data()}, jetstream.WithStallWait(time.Minute))
		}
		if err != nil {
			b.Fatal(err)
		}
	}
	<-to.JetStream().PublishAsyncComplete()
}
