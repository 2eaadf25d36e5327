package e2e

import (
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
)

// service connects as an independent service does.
func service(t *testing.T, url string, options ...nats.Option) jetstream.JetStream {
	t.Helper()
	conn, err := nats.Connect(url, append(options, nats.MaxReconnects(-1), nats.ReconnectWait(50*time.Millisecond))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(conn.Close)
	js, err := jetstream.New(conn)
	if err != nil {
		t.Fatal(err)
	}
	return js
}

// change posts a change of a record of a module.
func change(t *testing.T, b *bridge, module string, record int) uint64 {
	t.Helper()
	a := post(t, b.Callbacks+path, strings.Replace(distinct(record), `"Contacts"`, `"`+module+`"`, 1))
	if a.Status != 200 {
		t.Fatalf("answered %d %s", a.Status, a.Text)
	}
	return a.Events[0].Sequence
}

// next reads so many messages, acknowledges them, and returns their sequences.
func next(t *testing.T, c jetstream.Consumer, n int) string {
	t.Helper()
	var sequences []string
	for range n {
		msg, err := c.Next(jetstream.FetchMaxWait(10 * time.Second))
		if err != nil {
			t.Fatal(err)
		}
		meta, err := msg.Metadata()
		if err != nil {
			t.Fatal(err)
		}
		sequences = append(sequences, fmt.Sprint(meta.Sequence.Stream))
		if err := msg.DoubleAck(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	return strings.Join(sequences, " ")
}

// hurried has a consumer wait for an acknowledgement for a second and not for thirty.
func hurried(t *testing.T, c jetstream.Consumer, url string) jetstream.Consumer {
	t.Helper()
	config := c.CachedInfo().Config
	config.AckWait = time.Second
	if _, err := service(t, url).UpdateConsumer(t.Context(), "CRM", config); err != nil {
		t.Fatal(err)
	}
	return c
}

// A durable consumer begins at a moment, with several subjects; it goes on where it was, whatever moment a later start
// names, and cannot be moved by asking for another start.
func TestConsumeSince(t *testing.T) {
	b := start(t, t.TempDir(), documentedToken)
	change(t, b, "Deals", 1)
	since := time.Now()
	for i, module := range []string{"Deals", "Leads", "Contacts", "Deals"} { // 2 to 5
		change(t, b, module, i)
	}
	billing, err := openBilling(t.Context(), service(t, b.NATS), since)
	if err != nil {
		t.Fatal(err)
	}
	if got := next(t, billing, 2); got != "2 4" {
		t.Errorf("read %s", got)
	}
	change(t, b, "Deals", 9)
	js := service(t, b.NATS)
	if billing, err = openBilling(t.Context(), js, since.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if got := next(t, billing, 2); got != "5 6" {
		t.Errorf("later read %s", got)
	}
	moved := billing.CachedInfo().Config
	moved.OptStartSeq++
	if _, err := js.UpdateConsumer(t.Context(), "CRM", moved); err == nil {
		t.Error("another start was taken without a word")
	}
}

// A consumer begins at a sequence, at the first event, or with the last of each subject, which is not the last of each
// record. It is set back to a sequence without a new name.
func TestConsumeFrom(t *testing.T) {
	b := start(t, t.TempDir(), documentedToken)
	for i, module := range []string{"Deals", "Deals", "Leads", "Deals", "Leads"} {
		change(t, b, module, i)
	}
	js := service(t, b.NATS)
	for name, want := range map[string]struct {
		config    jetstream.ConsumerConfig
		sequences string
	}{
		"sequence": {jetstream.ConsumerConfig{DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: 3}, "3 4 5"},
		"all":      {jetstream.ConsumerConfig{DeliverPolicy: jetstream.DeliverAllPolicy}, "1 2 3 4 5"},
		"last":     {jetstream.ConsumerConfig{DeliverPolicy: jetstream.DeliverLastPerSubjectPolicy, FilterSubjects: []string{"crm.>"}}, "4 5"},
	} {
		want.config.Durable = name
		c, err := js.CreateConsumer(t.Context(), "CRM", want.config)
		if err != nil {
			t.Fatal(err)
		}
		if got := next(t, c, strings.Count(want.sequences, " ")+1); got != want.sequences {
			t.Errorf("%s: read %s", name, got)
		}
		if info, err := c.Info(t.Context()); err != nil || info.NumPending != 0 || info.NumAckPending != 0 {
			t.Errorf("%s: there is more: %+v %v", name, info, err)
		}
	}
	covering := jetstream.ConsumerConfig{Durable: "covering", FilterSubjects: []string{"crm.zoho.>", "crm.zoho.Deals.*"}}
	if _, err := js.CreateConsumer(t.Context(), "CRM", covering); err == nil {
		t.Error("filters that cover each other were taken")
	}
	if _, err := js.ResetConsumerToSequence(t.Context(), "CRM", "all", 2); err != nil {
		t.Fatal(err)
	}
	all, err := js.Consumer(t.Context(), "CRM", "all")
	if err != nil {
		t.Fatal(err)
	}
	if got := next(t, all, 4); got != "2 3 4 5" {
		t.Errorf("after the reset read %s", got)
	}
}

// A consumer reads history and then what comes, in order, while callbacks come in and the bridge is killed: every event has
// its effect once, in the order of the stream.
func TestHistoryAndLive(t *testing.T) {
	t.Parallel()
	dir, listen := t.TempDir(), "BRIDGE_NATS_LISTEN=127.0.0.1:"+freePort(t)
	b := start(t, dir, documentedToken, listen)
	for i := range 300 {
		change(t, b, "Deals", i)
	}
	accounts := openBooks(t, filepath.Join(t.TempDir(), "books.json"))
	billing, err := openBilling(t.Context(), service(t, b.NATS), time.Now().Add(-time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	reading, err := accounts.read(hurried(t, billing, b.NATS))
	if err != nil {
		t.Fatal(err)
	}
	defer reading.Stop()
	waitFor(t, func() bool { return len(accounts.effects()) > 50 })
	for i := 300; i < 400; i++ {
		change(t, b, "Deals", i)
	}
	_ = b.stop(t, syscall.SIGKILL)
	b = start(t, dir, documentedToken, listen)
	for i := 400; i < 500; i++ {
		change(t, b, "Deals", i)
	}
	waitFor(t, func() bool { return len(accounts.effects()) >= 500 })
	got := accounts.effects()
	for i := range max(500, len(got)) {
		if i >= len(got) || got[i] != fmt.Sprintf("90000000%05d", i) {
			t.Fatalf("%d effects; the first that is not in order is %d", len(got), i)
		}
	}
	t.Logf("%d deliveries of 500 events", accounts.deliveries)
}

// History beside live: with callbacks coming in, each event is in just one of the two.
func TestHistoryBesideLive(t *testing.T) {
	b := start(t, t.TempDir(), documentedToken)
	for i := range 100 {
		change(t, b, "Deals", i)
	}
	end := make(chan struct{})
	accepted := load(b.Callbacks+path, 4, end)
	var mu sync.Mutex
	seen := map[uint64]int{}
	count := func(msg jetstream.Msg) {
		mu.Lock()
		defer mu.Unlock()
		if meta, err := msg.Metadata(); err == nil {
			seen[meta.Sequence.Stream]++
		}
		_ = msg.Ack()
	}
	js := service(t, b.NATS)
	live, err := readBeside(t.Context(), js, time.Now().Add(-time.Hour), count)
	if err != nil {
		t.Fatal(err)
	}
	reading, err := live.Consume(count)
	if err != nil {
		t.Fatal(err)
	}
	defer reading.Stop()
	all := func() int {
		mu.Lock()
		defer mu.Unlock()
		return len(seen)
	}
	already := all()
	waitFor(t, func() bool { return all() > already+200 })
	close(end)
	accepted()
	_, last := holds(t, b.NATS)
	waitFor(t, func() bool { return all() == last })
	waitFor(t, func() bool {
		_, err := js.Consumer(t.Context(), "CRM", "billing-history")
		return errors.Is(err, jetstream.ErrConsumerNotFound)
	})
	for sequence, times := range seen {
		if times != 1 {
			t.Errorf("%d was read %d times", sequence, times)
		}
	}
}

// A consumer that was away for longer than the stream keeps events can tell how many it missed.
func TestMissed(t *testing.T) {
	remote, _ := openForeign(t, func(c *jetstream.StreamConfig) { c.MaxMsgs, c.Discard = 5, jetstream.DiscardOld })
	b := start(t, t.TempDir(), documentedToken, "BRIDGE_DELIVERY=direct", "BRIDGE_NATS_URL="+remote.ClientURL())
	for i := range 4 {
		change(t, b, "Deals", i)
	}
	js := service(t, remote.ClientURL())
	billing, err := openBilling(t.Context(), js, time.Now().Add(-time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	next(t, billing, 2)
	stream, err := js.Stream(t.Context(), "CRM")
	if err != nil {
		t.Fatal(err)
	}
	if n, err := missed(t.Context(), stream, billing); n != 0 || err != nil {
		t.Errorf("missed %d, %v", n, err)
	}
	for i := range 6 {
		change(t, b, "Deals", i)
	}
	if n, err := missed(t.Context(), stream, billing); n != 3 || err != nil { // 3 to 5 of 10
		t.Errorf("missed %d, %v", n, err)
	}
}
